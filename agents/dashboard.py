"""The figures of the first page: what agents have to look after, and the events of the week. All come from indexes."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min, Q
from django.utils import timezone

from accounts.models import Account, AccountQuerySet, Lock
from agents.journal.filters import JournalQuery
from assistance.business_hours import late_threshold
from assistance.models import AssistanceRequest
from journal.events import Event
from outbox.enums import UNDELIVERED, Kind
from outbox.models import Message, MessageQuerySet

WEEK = timedelta(days=7)
MAILS_WITH_ACTIVATION_LINK = (Kind.ACTIVATION, Kind.NEW_LINK)
EVENTS_OF_THE_WEEK = (
    Event.USER_CREATED,
    Event.USER_ACTIVATED,
    Event.SIGNED_IN,
    Event.SIGN_IN_FAILED,
    Event.LOCKED,
    Event.ASSISTANCE_REQUESTED,
)


@dataclass(frozen=True, slots=True)
class PendingRequests:
    """Open requests: how many, how many without a call in time, and when the oldest was made."""

    number: int
    late: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Dashboard:
    requests: PendingRequests
    locked: int
    undelivered: int
    links_expiring_today: int
    not_activated: int


def pending_requests() -> PendingRequests:
    is_late = Q(called_at__isnull=True, asked_at__lte=late_threshold(timezone.now()))
    counted = AssistanceRequest.objects.open().aggregate(
        number=Count("pk"), late=Count("pk", filter=is_late), oldest=Min("asked_at")
    )
    return PendingRequests(**counted)


def dashboard() -> Dashboard:
    return Dashboard(
        requests=pending_requests(),
        locked=Lock.objects.open().count(),
        undelivered=_people_of(undelivered_mails()),
        links_expiring_today=_people_of(links_expiring_today()),
        not_activated=long_pending_accounts().count(),
    )


def _people_of(mails: MessageQuerySet) -> int:
    """The count of the list of accounts that the figure leads to."""
    people: int = mails.aggregate(people=Count("person", distinct=True))["people"]
    return people


def long_pending_accounts() -> AccountQuerySet:
    """Accounts pending for NOT_ACTIVATED_AFTER_DAYS: the mail has probably not been found."""
    pending: AccountQuerySet = Account.objects.pending()
    return pending.filter(created_at__lt=timezone.now() - timedelta(days=settings.NOT_ACTIVATED_AFTER_DAYS))


def undelivered_mails() -> MessageQuerySet:
    """Mails of the last seven days that bounced or led to a complaint."""
    return Message.objects.asked_since(timezone.now() - WEEK).filter(status__in=UNDELIVERED)


def links_expiring_today() -> MessageQuerySet:
    """Mails whose activation link expires before midnight, to people who have not used it."""
    now = timezone.localtime(timezone=timezone.get_default_timezone())
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    expiring = Message.objects.filter(deadline__gte=now, deadline__lt=midnight, kind__in=MAILS_WITH_ACTIVATION_LINK)
    return expiring.filter(person__activated_at__isnull=True)


def start_of_week() -> date:
    """The first of the seven days that end tonight."""
    return timezone.localdate() - WEEK + timedelta(days=1)


def weekly_counts() -> list[tuple[Event, int]]:
    entries = JournalQuery(since=start_of_week()).entries().filter(event__in=EVENTS_OF_THE_WEEK).order_by()
    numbers = dict(entries.values_list("event").annotate(Count("pk")))
    return [(event, numbers.get(event.value, 0)) for event in EVENTS_OF_THE_WEEK]
