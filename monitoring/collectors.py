"""The figures that are watched, looked up when somebody asks: the same from whichever process answers (LOG-04).

Nothing is counted in the processes, so nothing has to be gathered from them: the tables and Redis know already. A
figure names kinds and numbers, never anybody. Every figure is there at zero too, or an alert would not see it rise.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import DatabaseError
from django.db.models import Case, Count, Exists, F, Min, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from accounts.enums import Category, LockReason, State
from accounts.models import Account, Lock, Session
from activation.models import CharterAcceptance, LinkRequest
from activation.wizard.steps import STEPS
from core.rate_limits import refusal_counts
from directory.models import DirectoryConsent
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.models import Redirection
from monitoring.health import database_answers, redis_answers
from outbox.enums import Kind, Priority, Status
from outbox.models import Message

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
#: The first page, on which the link leads, then the steps.
BEFORE_THE_STEPS = "lien"
STANDS = (BEFORE_THE_STEPS, *(step.slug for step in STEPS))
QUEUES = ("urgent", "bulk")
PRIORITIES = {Priority.URGENT: "urgent", Priority.BULK: "bulk"}

Source = Callable[[], Iterable[Metric]]


class PortalCollector(Collector):
    """Every figure of the portal. A server that is away takes its own figures with it, and no others."""

    def collect(self) -> Iterator[Metric]:
        """Look everything up, in a dozen questions."""
        yield from _told_by("database", database_answers(), OF_THE_DATABASE)
        yield from _told_by("redis", redis_answers(), OF_REDIS)


def _told_by(server: str, answers: bool, sources: Iterable[Source]) -> Iterator[Metric]:
    """Whether it answers, and then what it knows; one figure that takes too long is missing alone."""
    yield _one(int(answers), f"portal_{server}_up", f"1 when the {server} answers.")
    for source in sources if answers else ():
        with suppress(DatabaseError, RedisError):
            yield from list(source())


def _accounts() -> Iterable[Metric]:
    yield _by("state", State.values, _counted(Account.objects.all(), _state()), "portal_accounts", "Accounts by state.")


def _steps() -> Iterable[Metric]:
    yield _by(
        "step",
        STANDS,
        _counted(Account.objects.pending(), _first_open_step()),
        "portal_activation_steps",
        "Accounts not activated yet, by the step at which their owners stand.",
    )


def _events() -> Iterable[Metric]:
    now = timezone.now()
    entries = JournalEntry.objects.filter(at__gte=now - DAY).order_by().values("event")
    rows = list(entries.annotate(of_the_day=Count("pk"), of_the_hour=Count("pk", filter=Q(at__gte=now - HOUR))))
    day = {row["event"]: row["of_the_day"] for row in rows}
    hour = {row["event"]: row["of_the_hour"] for row in rows}
    yield _by("event", Event.values, day, "portal_events_last_day", "Entries of the journal of the last 24 hours.")
    yield _by("event", Event.values, hour, "portal_events_last_hour", "Entries of the journal of the last hour.")


def _mails() -> Iterable[Metric]:
    family = GaugeMetricFamily(
        "portal_mails_last_week", "Mails asked for in the last seven days, by fate.", labels=["kind", "status"]
    )
    asked = Message.objects.asked_since(timezone.now() - WEEK).order_by().values("kind", "status")
    numbers = {(row["kind"], row["status"]): row["number"] for row in asked.annotate(number=Count("pk"))}
    for kind in Kind.values:
        for status in Status.values:
            family.add_metric([kind, status], numbers.get((kind, status), 0))
    yield family


def _outbox() -> Iterable[Metric]:
    """What waits, since when the first of those that are due does, and what is to be tried again later."""
    now = timezone.now()
    rows = (
        Message.objects.unfinished()
        .order_by()
        .values("priority")
        .annotate(
            waiting=Count("pk"),
            postponed=Count("pk", filter=Q(status=Status.QUEUED, attempts__gt=0, due_at__gt=now)),
        )
    )
    by_priority = {PRIORITIES[Priority(row["priority"])]: row for row in rows}
    names = PRIORITIES.values()
    waiting = {name: row["waiting"] for name, row in by_priority.items()}
    postponed = {name: row["postponed"] for name, row in by_priority.items()}
    due = Message.objects.due(now).order_by().values("priority").annotate(since=Min("due_at"))
    oldest = {PRIORITIES[Priority(row["priority"])]: _seconds(row["since"], now) for row in due}
    yield _by("priority", names, waiting, "portal_outbox_waiting", "Mails not sent yet.")
    yield _by("priority", names, postponed, "portal_outbox_postponed", "Mails to be tried again later.")
    yield _by("priority", names, oldest, "portal_outbox_oldest_seconds", "How long the first mail due has been due.")


def _link_requests() -> Iterable[Metric]:
    now = timezone.now()
    waiting = LinkRequest.objects.waiting().aggregate(number=Count("pk"), since=Min("requested_at"))
    asked = LinkRequest.objects.filter(requested_at__gte=now - HOUR).count()
    yield _one(waiting["number"], "portal_link_requests_waiting", "Requests for links not answered yet.")
    yield _one(_seconds(waiting["since"], now), "portal_link_requests_oldest_seconds", "How long the first has waited.")
    yield _one(asked, "portal_link_requests_last_hour", "Requests for links of the last hour, whoever they name.")


def _locks() -> Iterable[Metric]:
    numbers = _counted(Lock.objects.open(), F("reason"))
    yield _by("reason", LockReason.values, numbers, "portal_locks_open", "Locks not released yet.")


def _sessions() -> Iterable[Metric]:
    now = timezone.now()
    used_since = now - timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    number = Session.objects.filter(account__isnull=False, expire_date__gt=now, last_seen_at__gt=used_since).count()
    yield _one(number, "portal_sessions_open", "Sessions of people who are signed in.")


def _queues() -> Iterable[Metric]:
    with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=0.5) as redis:
        lengths = {queue: redis.llen(queue) for queue in QUEUES}
    yield _by("queue", QUEUES, lengths, "portal_queue_length", "Tasks that no worker has taken yet.")


def _refusals() -> Iterable[Metric]:
    family = CounterMetricFamily(
        "portal_refusals", "Requests refused as too many, by limit; begins again every day.", labels=["limit"]
    )
    for limit, number in refusal_counts().items():
        family.add_metric([limit], number)
    yield family


OF_THE_DATABASE: tuple[Source, ...] = (
    _accounts,
    _steps,
    _events,
    _mails,
    _outbox,
    _link_requests,
    _locks,
    _sessions,
)
OF_REDIS: tuple[Source, ...] = (_queues, _refusals)


def _state() -> Case:
    """The state of each account, as `Account.state` tells it of one."""
    return Case(
        When(end_date__lt=timezone.localdate(), then=Value(State.CLOSED.value)),
        When(Exists(Lock.objects.open().filter(account=OuterRef("pk"))), then=Value(State.LOCKED.value)),
        When(activated_at__isnull=True, then=Value(State.PENDING.value)),
        When(password__startswith=UNUSABLE_PASSWORD_PREFIX, then=Value(State.TO_REACTIVATE.value)),
        default=Value(State.ACTIVE.value),
    )


def _first_open_step() -> Case:
    """Where each owner stands, as `Journey.first_open` tells it of one; before it, who has never opened a link."""
    of_theirs = {"account": OuterRef("pk")}
    has_begun = Exists(JournalEntry.objects.filter(**of_theirs, event=Event.ACTIVATION_STARTED))
    has_accepted = Exists(CharterAcceptance.objects.of_the_charter_in_force().filter(**of_theirs))
    has_decided = Exists(DirectoryConsent.objects.filter(**of_theirs))
    has_chosen = Exists(Redirection.objects.filter(**of_theirs))
    is_asked_to_wait = Exists(Redirection.objects.waiting().filter(**of_theirs, postponed_at__isnull=True))
    lien, charte, annuaire, messagerie, verification, password = (Value(stand) for stand in STANDS)
    return Case(
        When(~has_begun, then=lien),
        When(~has_accepted, then=charte),
        When(~has_decided, then=annuaire),
        When(Q(category=Category.STAFF) & ~has_chosen, then=messagerie),
        When(is_asked_to_wait, then=verification),
        default=password,
    )


def _counted(rows: QuerySet[Any], by: Case | F) -> dict[str, int]:
    """How many there are of each."""
    return dict(rows.order_by().annotate(of=by).values("of").annotate(number=Count("pk")).values_list("of", "number"))


def _seconds(since: datetime | None, now: datetime) -> float:
    return (now - since).total_seconds() if since else 0.0


def _one(number: float, name: str, about: str) -> Metric:
    return GaugeMetricFamily(name, about, value=number)


def _by(label: str, values: Iterable[str], numbers: Mapping[str, float], name: str, about: str) -> Metric:
    """A figure with one line for each of the values."""
    family = GaugeMetricFamily(name, about, labels=[label])
    for value in values:
        family.add_metric([value], numbers.get(value, 0))
    return family
