"""Prometheus metrics, read from the tables and Redis at each scrape: the same from whichever process answers.

Metrics hold kinds and numbers, no personal data. Each label value is present at
zero too, or an alert would not see it rise.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import DatabaseError
from django.db.models import Case, Count, Exists, F, Min, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from accounts.enums import LockReason, State
from accounts.models import Account, Lock, Session
from activation.models import LinkRequest
from activation.querysets import with_wizard_facts
from activation.wizard.steps import STEPS, Wizard
from hr_feed.models import HrImport
from journal.events import Event
from journal.models import JournalEntry
from monitoring.families import gauge, gauge_by
from monitoring.health import database_trouble
from monitoring.provisioning_metrics import linked_services
from monitoring.redis_metrics import heartbeats, queues, refusals, requests
from monitoring.redis_server import redis_answers, redis_trouble
from outbox.enums import Kind, Priority, Status
from outbox.models import Message

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
#: Label of accounts whose activation link has not been opened yet.
BEFORE_THE_STEPS = "lien"
DATABASE_UP = "1 when PostgreSQL answers and takes writes."
REDIS_UP = "1 when Redis answers."
REDIS_WRITES = "1 when Redis answers and takes writes."
PRIORITIES = {Priority.URGENT: "urgent", Priority.BULK: "bulk"}

Source = Callable[[], Iterable[Metric]]


class PortalCollector(Collector):
    """All metrics of the portal, in a dozen queries. Without the database or Redis, only theirs are missing."""

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("portal_build", "Version of the portal.", value={"version": settings.VERSION})
        yield from _metrics_of("portal_database_up", DATABASE_UP, not database_trouble(), DATABASE_SOURCES)
        yield from _metrics_of("portal_redis_up", REDIS_UP, redis_answers(), (queues, refusals, requests))
        # A Redis that takes no writes keeps the old heartbeats.
        yield from _metrics_of("portal_redis_takes_writes", REDIS_WRITES, not redis_trouble(), (heartbeats,))


def _metrics_of(name: str, about: str, is_true: bool, sources: Iterable[Source]) -> Iterator[Metric]:
    """Whether the server answers, then its metrics; a query that times out leaves out one source only."""
    yield gauge(int(is_true), name, about)
    for source in sources if is_true else ():
        with suppress(DatabaseError, RedisError):
            yield from list(source())


def _accounts() -> Iterable[Metric]:
    yield gauge_by(
        "state", State.values, _count_by(Account.objects.all(), _state()), "portal_accounts", "Accounts by state."
    )


def _activation_steps() -> Iterable[Metric]:
    """Counted by the wizard itself, so that a new step needs nothing here; few accounts are half-way at any time."""
    pending = Account.objects.pending()
    has_begun = Exists(JournalEntry.objects.filter(account=OuterRef("pk"), event=Event.ACTIVATION_STARTED))
    half_way = with_wizard_facts(pending.filter(has_begun), timezone.now())
    numbers = Counter(Wizard(account).first_open.slug for account in half_way.iterator())
    numbers[BEFORE_THE_STEPS] = pending.exclude(has_begun).count()
    yield gauge_by(
        "step",
        (BEFORE_THE_STEPS, *(step.slug for step in STEPS)),
        numbers,
        "portal_activation_steps",
        "Accounts not activated yet, by the step at which their owners stand.",
    )


def _events() -> Iterable[Metric]:
    now = timezone.now()
    entries = JournalEntry.objects.filter(at__gte=now - DAY).order_by().values("event")
    rows = list(entries.annotate(of_the_day=Count("pk"), of_the_hour=Count("pk", filter=Q(at__gte=now - HOUR))))
    day = {row["event"]: row["of_the_day"] for row in rows}
    hour = {row["event"]: row["of_the_hour"] for row in rows}
    yield gauge_by("event", Event.values, day, "portal_events_last_day", "Entries of the journal of the last 24 hours.")
    yield gauge_by("event", Event.values, hour, "portal_events_last_hour", "Entries of the journal of the last hour.")


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
    now = timezone.now()
    rows = (
        Message.objects.unfinished()
        .order_by()
        .values("priority")
        .annotate(
            waiting=Count("pk"),
            postponed=Count("pk", filter=Q(status=Status.QUEUED, attempts__gt=0, due_at__gt=now)),
            at_fault=Count("pk", filter=~Q(fault="")),
        )
    )
    by_priority = {PRIORITIES[Priority(row["priority"])]: row for row in rows}
    names = PRIORITIES.values()
    waiting = {name: row["waiting"] for name, row in by_priority.items()}
    postponed = {name: row["postponed"] for name, row in by_priority.items()}
    at_fault = {name: row["at_fault"] for name, row in by_priority.items()}
    due = Message.objects.due(now).order_by().values("priority").annotate(since=Min("due_at"))
    oldest = {PRIORITIES[Priority(row["priority"])]: _seconds_since(row["since"], now) for row in due}
    yield gauge_by("priority", names, waiting, "portal_outbox_waiting", "Mails not sent yet.")
    yield gauge_by("priority", names, postponed, "portal_outbox_postponed", "Mails to be tried again later.")
    yield gauge_by(
        "priority",
        names,
        at_fault,
        "portal_outbox_at_fault",
        "Mails that wait for a repair of ours.",
    )
    yield gauge_by(
        "priority", names, oldest, "portal_outbox_oldest_seconds", "How long the first mail due has been due."
    )


def _link_requests() -> Iterable[Metric]:
    now = timezone.now()
    waiting = LinkRequest.objects.waiting().aggregate(number=Count("pk"), since=Min("requested_at"))
    asked = LinkRequest.objects.filter(requested_at__gte=now - HOUR).count()
    yield gauge(waiting["number"], "portal_link_requests_waiting", "Requests for links not answered yet.")
    yield gauge(
        _seconds_since(waiting["since"], now), "portal_link_requests_oldest_seconds", "How long the first has waited."
    )
    yield gauge(
        asked, "portal_link_requests_last_hour", "Requests for links of the last hour, for known and unknown logins."
    )


def _locks() -> Iterable[Metric]:
    numbers = _count_by(Lock.objects.open(), F("reason"))
    yield gauge_by("reason", LockReason.values, numbers, "portal_locks_open", "Locks not released yet.")


def _sessions() -> Iterable[Metric]:
    now = timezone.now()
    used_since = now - timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    number = Session.objects.filter(account__isnull=False, expire_date__gt=now, last_seen_at__gt=used_since).count()
    yield gauge(number, "portal_sessions_open", "Sessions of people who are signed in.")


def _hr_imports() -> Iterable[Metric]:
    """While a worker imports one, the others wait for it."""
    now = timezone.now()
    imports = list(HrImport.objects.light().to_work_on())
    is_busy = any(one.is_running for one in imports)
    waiting = [one.approved_at or one.uploaded_at for one in imports if one.is_expected and not is_busy]
    stopped = sum(one.has_stopped for one in imports)
    yield gauge(stopped, "portal_hr_imports_stopped", "HR files whose runs failed too often.")
    yield gauge(
        _seconds_since(min(waiting, default=None), now),
        "portal_hr_imports_oldest_seconds",
        "How long the first HR file has waited for a worker that has none.",
    )


DATABASE_SOURCES: tuple[Source, ...] = (
    _accounts,
    _activation_steps,
    _events,
    _mails,
    _outbox,
    _link_requests,
    _locks,
    _sessions,
    _hr_imports,
    linked_services,
)


def _state() -> Case:
    """`Account.state` in SQL."""
    return Case(
        When(end_date__lt=timezone.localdate(), then=Value(State.CLOSED.value)),
        When(Exists(Lock.objects.open().filter(account=OuterRef("pk"))), then=Value(State.LOCKED.value)),
        When(activated_at__isnull=True, then=Value(State.PENDING.value)),
        When(password__startswith=UNUSABLE_PASSWORD_PREFIX, then=Value(State.TO_REACTIVATE.value)),
        default=Value(State.ACTIVE.value),
    )


def _count_by(rows: QuerySet[Any], by: Case | F) -> dict[str, int]:
    return dict(rows.order_by().annotate(of=by).values("of").annotate(number=Count("pk")).values_list("of", "number"))


def _seconds_since(since: datetime | None, now: datetime) -> float:
    return (now - since).total_seconds() if since else 0.0
