"""What waits for the agents, and the figures of the week: a few counts over indexes."""

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
WITH_ACTIVATION_LINK = (Kind.ACTIVATION, Kind.NEW_LINK)
OF_THE_WEEK = (
    Event.USER_CREATED,
    Event.USER_ACTIVATED,
    Event.SIGNED_IN,
    Event.SIGN_IN_FAILED,
    Event.LOCKED,
    Event.ASSISTANCE_REQUESTED,
)


@dataclass(frozen=True, slots=True)
class PendingRequests:
    """How many requests are open, how many of them nobody has called about in time, and when the first was made."""

    number: int
    late: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """How much of what waits."""

    requests: PendingRequests
    locked: int
    came_back: int
    links_ending_today: int
    not_activated: int


def pending_requests() -> PendingRequests:
    """The queue in three figures, by one question."""
    is_late = Q(called_at__isnull=True, asked_at__lte=late_threshold(timezone.now()))
    counted = AssistanceRequest.objects.open().aggregate(
        number=Count("pk"), late=Count("pk", filter=is_late), oldest=Min("asked_at")
    )
    return PendingRequests(**counted)


def dashboard() -> Dashboard:
    """What somebody of the DSIN may have to look after, now."""
    return Dashboard(
        requests=pending_requests(),
        locked=Lock.objects.open().count(),
        came_back=mails_that_came_back().count(),
        links_ending_today=links_ending_today().aggregate(people=Count("person", distinct=True))["people"],
        not_activated=not_activated_for_long().count(),
    )


def not_activated_for_long() -> AccountQuerySet:
    """Who could have activated NOT_ACTIVATED_AFTER_DAYS ago, and has not: they have probably not found the mail."""
    pending: AccountQuerySet = Account.objects.pending()
    return pending.filter(created_at__lt=timezone.now() - timedelta(days=settings.NOT_ACTIVATED_AFTER_DAYS))


def mails_that_came_back() -> MessageQuerySet:
    """Those of the last seven days that reached nobody, or annoyed."""
    return Message.objects.asked_since(timezone.now() - WEEK).filter(status__in=UNDELIVERED)


def links_ending_today() -> MessageQuerySet:
    """Mails with an activation link that ends tonight, to people who have not used it."""
    now = timezone.localtime(timezone=timezone.get_default_timezone())
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    ending = Message.objects.filter(deadline__gte=now, deadline__lt=midnight, kind__in=WITH_ACTIVATION_LINK)
    return ending.filter(person__activated_at__isnull=True)


def week_began() -> date:
    """The first of the seven days that end tonight."""
    return timezone.localdate() - WEEK + timedelta(days=1)


def weekly_counts() -> list[tuple[Event, int]]:
    """What happened since the week began, as the journal lists it."""
    counted = JournalQuery(since=week_began()).entries().filter(event__in=OF_THE_WEEK).order_by()
    numbers = dict(counted.values_list("event").annotate(Count("pk")))
    return [(event, numbers.get(event.value, 0)) for event in OF_THE_WEEK]
