"""Locks that security systems ask for, and how they end when a system's key was stolen.

Whoever holds a key can lock accounts, so it locks neither the agents, who would undo it, nor a whole university.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import connection, transaction
from django.utils import timezone

from accounts.enums import LockReason, ReleaseReason
from accounts.locking.lock import BATCH, LockOutcome, accounts_by_name, lock_accounts
from accounts.locking.unlock import REVIEWED_BEFORE_LOCK, reopen_account
from accounts.models import Account, Lock, LockQuerySet
from core.security_log import log_security_event
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event, record_events

#: Locks of one system within the window: a wave of phishing. The command line has no ceiling.
CEILING = 1_000
WINDOW = timedelta(hours=1)
ADDRESS_CHANGES = (
    Event.RECOVERY_ADDRESS_CORRECTED,
    Event.RECOVERY_ADDRESS_CHANGED,
    Event.RECOVERY_ADDRESS_RESTORED,
)


class CeilingReached(Exception):
    def __init__(self, retry_after: int) -> None:
        super().__init__(f"{CEILING} an hour, retry after {retry_after} s")
        self.ceiling, self.retry_after = CEILING, retry_after


class LeftLocked(StrEnum):
    """Why an agent has to unlock this account, after a proof of identity."""

    NO_ADDRESS = "no-address"
    ADDRESS_CHANGED = "address-changed"


def lock_for_system(
    *, names: Sequence[str], reason: LockReason, system: str, comment: str = ""
) -> list[tuple[str, LockOutcome]]:
    """In batches. Idempotent: a call that was interrupted, or raises CeilingReached, can be repeated."""
    found = accounts_by_name(names)
    accounts = {account.pk: account for account in found.values()}.values()
    agents = [account for account in accounts if account.is_staff]
    others = [account for account in accounts if not account.is_staff]
    outcomes = dict.fromkeys((agent.pk for agent in agents), LockOutcome.AGENT)
    _record_refusals(agents, system)
    for start in range(0, len(others), BATCH):
        outcomes |= _lock_below_ceiling(others[start : start + BATCH], reason, system, comment)
    return [(name, outcomes[found[name].pk] if name in found else LockOutcome.UNKNOWN) for name in names]


def locks_of_system(*, system: str, since: datetime) -> LockQuerySet:
    locks: LockQuerySet = Lock.objects.open().filter(locked_by_system=system, locked_at__gte=since)
    return locks


def why_left_locked(lock: Lock) -> LeftLocked | None:
    account = lock.account
    if not account.can_be_mailed:
        return LeftLocked.NO_ADDRESS
    since = lock.locked_at - REVIEWED_BEFORE_LOCK
    changed = account.activated_at and account.journal.filter(event__in=ADDRESS_CHANGES, at__gte=since).exists()
    return LeftLocked.ADDRESS_CHANGED if changed else None


@transaction.atomic
def end_lock_of_system(*, lock_id: int, report: str) -> LeftLocked | None:
    """Like `unlock_account`, whose proof is replaced by the link: it goes to an address that nothing has changed.

    Returns why the account stays locked. Idempotent.
    """
    account = Account.objects.select_for_update(of=("self",)).get(locks=lock_id)
    lock = Lock.objects.open().filter(pk=lock_id).exclude(locked_by_system="").first()
    if lock is None:
        return None
    lock.account = account
    left = why_left_locked(lock)
    if left is not None:
        return left
    lock.released_at, lock.released_reason, lock.report = timezone.now(), ReleaseReason.BY_MISTAKE, report
    lock.save()
    reason, system = ReleaseReason.BY_MISTAKE, lock.locked_by_system
    record_event(account=account, event=Event.RELEASED, reason=reason, system=system)
    reopen_account(account, agent=None)
    return None


@transaction.atomic
def _lock_below_ceiling(
    accounts: Collection[Account], reason: LockReason, system: str, comment: str
) -> dict[int, LockOutcome]:
    with connection.cursor() as cursor:
        # One call of a system after the other: each counts the locks of those before it.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"locks by {system}"])
    now = timezone.now()
    recent = Lock.objects.filter(locked_by_system=system, locked_at__gt=now - WINDOW)
    new = len(accounts) - Lock.objects.open().filter(account__in=accounts).count()
    excess = recent.count() + new - CEILING
    if new and excess > 0:
        last_to_leave = recent.order_by("locked_at", "pk")[excess - 1].locked_at
        log_security_event("excess_rate_limit_exceeded", outcome="failure", limit="locks-by-system", system=system)
        raise CeilingReached(int((last_to_leave + WINDOW - now).total_seconds()) + 1)
    return lock_accounts(accounts=accounts, reason=reason, system=system, comment=comment)


@transaction.atomic
def _record_refusals(agents: Collection[Account], system: str) -> None:
    """Once an hour for each: who holds a key must not fill the journal."""
    refused = JournalEntry.objects.filter(event=Event.LOCK_REFUSED, at__gt=timezone.now() - WINDOW)
    recorded = set(refused.filter(account__in=agents).values_list("account", flat=True))
    record_events(
        accounts=[agent for agent in agents if agent.pk not in recorded], event=Event.LOCK_REFUSED, system=system
    )
