"""Locks accounts, one or hundreds. `accounts.locking.unlock` unlocks them."""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.enums import LockReason
from accounts.models import Account, Lock, Session
from core.email_addresses import InvalidAddress, institutional_address_from_login
from journal.events import Event
from journal.services import record_events
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_emails

#: Accounts in one transaction.
BATCH = 500


class AlreadyLocked(Exception):
    def __init__(self, lock: Lock) -> None:
        super().__init__()
        self.lock = lock


class LockOutcome(StrEnum):
    LOCKED = "locked"
    ALREADY_LOCKED = "already-locked"
    #: Only for a security system (accounts/locking/system_locks.py).
    AGENT = "agent"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@transaction.atomic
def lock_account(*, account: Account, reason: LockReason, actor: Account | None = None, comment: str = "") -> Lock:
    """Idempotent. Sessions end and the owner is notified; links and forwarding check for an open lock themselves."""
    lock_accounts(accounts=[account], reason=reason, actor=actor, comment=comment)
    return account.locks.open().get()


@transaction.atomic
def lock_as_agent(*, account: Account, agent: Account, reason: LockReason, comment: str = "", **details: Any) -> Lock:
    """Like `lock_account`, but raises AlreadyLocked. `details` go into the journal."""
    Account.objects.lock(account.pk)
    earlier = account.locks.open().select_related("locked_by").first()
    if earlier is not None:
        raise AlreadyLocked(earlier)
    lock_accounts(accounts=[account], reason=reason, actor=agent, comment=comment, **details)
    return account.locks.open().get()


@transaction.atomic
def lock_accounts(
    *,
    accounts: Collection[Account],
    reason: LockReason,
    actor: Account | None = None,
    system: str = "",
    comment: str = "",
    **details: object,
) -> dict[int, LockOutcome]:
    """Lock many accounts in a fixed number of statements. Returns the outcome by primary key.

    `system` names the security system that asked. Closed accounts are locked without a mail, in case HR reopens them.
    """
    ids = [account.pk for account in accounts]
    # In one order: two overlapping lists must not deadlock.
    rows = list(Account.objects.select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk"))
    locked_before = set(Lock.objects.open().filter(account__in=ids).values_list("account_id", flat=True))
    locks = Lock.objects.bulk_create(
        Lock(account=account, reason=reason, locked_by=actor, locked_by_system=system, comment=comment)
        for account in rows
        if account.pk not in locked_before
    )
    if system:
        details["system"] = system
    _enforce(locks, actor, **details)
    return {account.pk: _outcome(account, locked_before) for account in rows}


def lock_accounts_by_name(
    *, names: Sequence[str], reason: LockReason, comment: str = ""
) -> list[tuple[str, LockOutcome]]:
    """In batches. Idempotent: an interrupted call can be repeated."""
    found = accounts_by_name(names)
    accounts = list({account.pk: account for account in found.values()}.values())
    outcomes: dict[int, LockOutcome] = {}
    for start in range(0, len(accounts), BATCH):
        batch = accounts[start : start + BATCH]
        outcomes |= lock_accounts(accounts=batch, reason=reason, comment=comment)
    return [(name, outcomes[found[name].pk] if name in found else LockOutcome.UNKNOWN) for name in names]


def accounts_by_name(names: Iterable[str]) -> dict[str, Account]:
    """By institutional address if there is an @, else by `uid`, whatever the case. Unknown names are left out."""
    keys = {name: _key(name) for name in names}
    wanted = set(keys.values()) - {""}
    found = Account.objects.filter(Q(institutional_address__in=wanted) | Q(uid__in=wanted))
    by_key = {key: account for account in found for key in (account.uid, account.institutional_address)}
    return {name: by_key[key] for name, key in keys.items() if key in by_key}


def _key(name: str) -> str:
    """Empty for a name that no account can have."""
    name = name.strip()
    if not name.isascii() or not name.isprintable():
        return ""
    try:
        return institutional_address_from_login(name) if "@" in name else name.lower()
    except InvalidAddress:
        return ""


def _enforce(locks: Sequence[Lock], actor: Account | None, **details: object) -> None:
    if not locks:
        return
    accounts = [lock.account for lock in locks]
    Session.objects.filter(account__in=accounts).delete()
    record_events(accounts=accounts, event=Event.LOCKED, actor=actor, reason=locks[0].reason, **details)
    # Not to the university mailbox: an intruder may read it.
    queue_emails(_notice(lock) for lock in locks if lock.account.can_be_mailed and not lock.account.is_closed)


def _notice(lock: Lock) -> Message:
    account = lock.account
    return Message(
        kind=Kind.ACCOUNT_LOCKED,
        person=account,
        address=account.recovery_address,
        language=account.language,
        subject_id=lock.pk,
    )


def _outcome(account: Account, locked_before: Collection[int]) -> LockOutcome:
    if account.is_closed:
        return LockOutcome.CLOSED
    return LockOutcome.ALREADY_LOCKED if account.pk in locked_before else LockOutcome.LOCKED
