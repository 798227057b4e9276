"""Locking accounts, one or a phishing wave at once (HLP-01). Releasing them is `accounts.locking.unlock`."""

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

#: How many accounts are locked in one transaction.
BATCH = 500


class AlreadyLocked(Exception):
    """Somebody was faster; `lock` is theirs."""

    def __init__(self, lock: Lock) -> None:
        super().__init__()
        self.lock = lock


class LockOutcome(StrEnum):
    """What became of one account of a list."""

    LOCKED = "locked"
    ALREADY_LOCKED = "already-locked"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@transaction.atomic
def lock_account(*, account: Account, reason: LockReason, actor: Account | None = None, comment: str = "") -> Lock:
    """Lock an account: its sessions end, its links die and its forwarding is suspended, since each of them looks at the
    open lock (HLP-01). The person is told. Locking twice is locking once.
    """
    lock_accounts(accounts=[account], reason=reason, actor=actor, comment=comment)
    return account.locks.open().get()


@transaction.atomic
def lock_as_agent(*, account: Account, agent: Account, reason: LockReason, comment: str = "", **details: Any) -> Lock:
    """Do what `lock_account` does, for an agent, who learns when somebody was faster: AlreadyLocked. `details` are what
    else the journal keeps, such as the request that led to it.
    """
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
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
    """Do to each what `lock_account` does to one, in a fixed number of statements; what became of each, by its key.

    `system` names what reported them, when nobody in person did; `details` are what else the journal keeps. Somebody
    who has left is locked too, in case HR has them come back, and not written to.
    """
    ids = [account.pk for account in accounts]
    held = list(Account.objects.select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk"))
    locked_before = set(Lock.objects.open().filter(account__in=ids).values_list("account_id", flat=True))
    locks = Lock.objects.bulk_create(
        Lock(account=account, reason=reason, locked_by=actor, locked_by_system=system, comment=comment)
        for account in held
        if account.pk not in locked_before
    )
    told = {"system": system} if system else {}
    _make_them_hold(locks, actor, **told, **details)
    return {account.pk: _answer(account, locked_before) for account in held}


def lock_accounts_by_name(
    *, names: Sequence[str], reason: LockReason, system: str = "", comment: str = ""
) -> list[tuple[str, LockOutcome]]:
    """Lock whoever `names` mean (`accounts_named`), and say what became of each name.

    Long lists are locked in parts: one that was broken off is simply sent again.
    """
    found = accounts_by_name(names)
    accounts = list({account.pk: account for account in found.values()}.values())
    answers: dict[int, LockOutcome] = {}
    for start in range(0, len(accounts), BATCH):
        part = accounts[start : start + BATCH]
        answers |= lock_accounts(accounts=part, reason=reason, system=system, comment=comment)
    return [(name, answers[found[name].pk] if name in found else LockOutcome.UNKNOWN) for name in names]


def accounts_by_name(names: Iterable[str]) -> dict[str, Account]:
    """The account of each name: by its institutional address if there is an @, else by its short name (`uid`).

    Case makes no difference. Who has no account is left out.
    """
    keys = {name: _key(name) for name in names}
    wanted = set(keys.values()) - {""}
    found = Account.objects.filter(Q(institutional_address__in=wanted) | Q(uid__in=wanted))
    by_key = {key: account for account in found for key in (account.uid, account.institutional_address)}
    return {name: by_key[key] for name, key in keys.items() if key in by_key}


def _key(name: str) -> str:
    """What is looked for; empty, which nobody has, for what can be nobody's name."""
    name = name.strip()
    if not name.isascii() or not name.isprintable():
        return ""
    try:
        return institutional_address_from_login(name) if "@" in name else name.lower()
    except InvalidAddress:
        return ""


def _make_them_hold(locks: Sequence[Lock], actor: Account | None, **details: object) -> None:
    """End the sessions, record the locks and tell the people: all locks of one list have the same reason."""
    if not locks:
        return
    accounts = [lock.account for lock in locks]
    Session.objects.filter(account__in=accounts).delete()
    record_events(accounts=accounts, event=Event.LOCKED, actor=actor, reason=locks[0].reason, **details)
    # To the recovery address alone: whoever has the password may be reading the university mailbox.
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


def _answer(account: Account, locked_before: Collection[int]) -> LockOutcome:
    if account.is_closed:
        return LockOutcome.CLOSED
    return LockOutcome.ALREADY_LOCKED if account.pk in locked_before else LockOutcome.LOCKED
