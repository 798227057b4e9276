"""Unlocks accounts: by an agent, after a proof of identity, without anything that an intruder may have set."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from accounts.enums import Proof, ReleaseReason, State
from accounts.models import Account, Lock, RecoveryAddressChange, RecoveryAddressCorrection
from accounts.permissions import AgentPermission
from accounts.recovery.changes import report_unauthorized_change
from accounts.recovery.pending import cancel_pending_change
from accounts.signals import account_unlocked
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from outbox.enums import Kind
from outbox.services import queue_email

REVIEWED_BEFORE_LOCK = timedelta(days=30)
SHORTEST_REPORT = 10

CHANGES_TO_REVIEW = (
    Event.RECOVERY_ADDRESS_CORRECTED,
    Event.RECOVERY_CHANGE_REQUESTED,
    Event.RECOVERY_ADDRESS_CHANGED,
    Event.RECOVERY_ADDRESS_RESTORED,
    Event.REDIRECTION_CHOSEN,
    Event.REDIRECTION_VERIFIED,
    Event.REDIRECTION_STOPPED,
    Event.PASSWORD_SET,
    Event.PASSWORD_CHANGED,
    Event.PASSWORD_RESET,
    Event.USER_REACTIVATED,
)


class UnlockRefused(Exception):
    """Base class: nothing has changed."""


class NotLocked(UnlockRefused):
    pass


class UnlockNotAllowed(UnlockRefused):
    """Agents only, not of their own account; another agent's account needs the permission to manage agents."""


class UnlockNotProven(UnlockRefused):
    """Not a listed proof, or a call back without a number known to HR."""


class ReportTooShort(UnlockRefused):
    pass


class NoRecoveryAddress(UnlockRefused):
    """The link could go nowhere: the address has to be corrected first."""


class AddressNotRestorable(UnlockRefused):
    pass


class ChangesNotReviewed(UnlockRefused):
    def __init__(self, entries: Collection[JournalEntry]) -> None:
        super().__init__()
        self.entries = entries


def changes_to_review(account: Account) -> list[JournalEntry]:
    """Changes of recovery address, redirection, password and HR phone number from 30 days before the lock on.

    Newest first; empty when the account is not locked. The phone number counts because an intruder may change it in
    the HR system before a call back.
    """
    lock = account.locks.open().first()
    if lock is None:
        return []
    since = lock.locked_at - REVIEWED_BEFORE_LOCK
    changes = Q(event__in=CHANGES_TO_REVIEW) | Q(event=Event.USER_UPDATED, details__fields__contains="phone")
    return list(account.journal.filter(changes, at__gte=since).order_by("-at", "-pk"))


def restorable_addresses(account: Account, changes: Sequence[JournalEntry]) -> dict[int, str]:
    """The addresses that `restore_address` can restore, by primary key of the entry in `changes`.

    None when the address on file came from elsewhere; nor those before the last unlock or correction by agents.
    """
    made = RecoveryAddressChange.objects.filter(account=account, confirmed_at__isnull=False, undone_at__isnull=True)
    in_order = list(made.order_by("confirmed_at", "pk"))
    if not in_order or in_order[-1].new_address != account.recovery_address:
        return {}
    settled_at = _settled_at(account)
    previous = {change.confirmed_at: change.previous_address for change in in_order if change.previous_address}
    return {
        entry.pk: previous[entry.at]
        for entry in changes
        if entry.event == Event.RECOVERY_ADDRESS_CHANGED and entry.at in previous and entry.at > settled_at
    }


@transaction.atomic
def restore_address(*, account: Account, agent: Account, change: int, **details: object) -> Account:
    """Undo a change of the recovery address, and later ones: the link of the unlock must reach no intruder.

    The account stays locked. Both addresses are notified. `change` is a key of `restorable_addresses`; `details` go
    into the journal. Raises NotLocked, UnlockNotAllowed, AddressNotRestorable.
    """
    account = _lock_locked(account)
    _require_permission(agent, account)
    changes = {entry.pk: entry for entry in changes_to_review(account)}
    if change not in restorable_addresses(account, list(changes.values())):
        raise AddressNotRestorable
    account = report_unauthorized_change(entry=changes[change], actor=agent, **details)
    _notify_of_lock(account)
    return account


@transaction.atomic
def unlock_account(
    *,
    account: Account,
    agent: Account,
    reason: ReleaseReason,
    proof: Proof,
    report: str,
    reviewed: Collection[int],
    **details: object,
) -> Lock:
    """Unlock, make the password unusable, cancel pending changes, and mail a link to the address on file.

    `reviewed` holds the keys of all `changes_to_review`; `details` go into the journal. A call back goes to the number
    known to HR, which the lock records. Raises UnlockRefused.
    """
    account = _lock_locked(account)
    if not account.can_be_mailed:
        raise NoRecoveryAddress
    _require_permission(agent, account)
    lock = account.locks.open().get()
    _require_proof(account, proof, report)
    _require_review(account, reviewed)
    _close(lock, agent, reason, proof, report, reviewed)
    record_event(
        account=account,
        actor=agent,
        event=Event.RELEASED,
        reason=reason,
        proof=proof,
        number_called=lock.number_called,
        reviewed=lock.reviewed,
        **details,
    )
    reopen_account(account, agent=agent)
    return lock


def reopen_account(account: Account, *, agent: Account | None) -> None:
    """What an intruder may know or have set ends; the owner comes back by a link. The lock is released already."""
    account.set_unusable_password()
    account.save(update_fields=["password"])
    cancel_pending_change(account, actor=agent)
    account_unlocked.send(sender=Lock, account=account, agent=agent)
    kind = Kind.REACTIVATION if account.activated_at else Kind.NEW_LINK
    queue_email(kind=kind, person=account, address=account.recovery_address, language=account.language)


def _lock_locked(account: Account) -> Account:
    if Account.objects.lock(account.pk).state != State.LOCKED:
        raise NotLocked
    # Read again without `with_lock()`: its `is_locked` would be stale after the unlock.
    now: Account = Account.objects.get(pk=account.pk)
    return now


def _notify_of_lock(account: Account) -> None:
    """The restored address: the notice of the lock went to the other one."""
    lock = account.locks.open().get()
    address, language = account.recovery_address, account.language
    queue_email(kind=Kind.ACCOUNT_LOCKED, person=account, address=address, language=language, subject_id=lock.pk)


def _settled_at(account: Account) -> datetime:
    """When agents last unlocked the account or gave it an address."""
    given = RecoveryAddressCorrection.objects.filter(account=account, undone_at__isnull=True)
    moments = (
        account.locks.aggregate(last=Max("released_at"))["last"],
        given.aggregate(last=Max("applied_at"))["last"],
    )
    return max((moment for moment in moments if moment is not None), default=account.created_at)


def _require_permission(agent: Account, account: Account) -> None:
    is_agent = agent.is_staff and agent.state == State.ACTIVE
    is_above = is_agent and agent.has_perm(AgentPermission.MANAGE_AGENTS)
    if not is_agent or agent.pk == account.pk or (account.is_staff and not is_above):
        raise UnlockNotAllowed


def _require_proof(account: Account, proof: Proof, report: str) -> None:
    if proof not in Proof.values or (proof == Proof.CALL_BACK and not account.phone):
        raise UnlockNotProven
    if len(report.strip()) < SHORTEST_REPORT:
        raise ReportTooShort


def _require_review(account: Account, reviewed: Collection[int]) -> None:
    missing = [entry for entry in changes_to_review(account) if entry.pk not in reviewed]
    if missing:
        raise ChangesNotReviewed(missing)


def _close(
    lock: Lock, agent: Account, reason: ReleaseReason, proof: Proof, report: str, reviewed: Collection[int]
) -> None:
    lock.released_at, lock.released_by, lock.released_reason = timezone.now(), agent, reason
    lock.proof, lock.report, lock.reviewed = proof, report.strip(), sorted(reviewed)
    lock.number_called = lock.account.phone if proof == Proof.CALL_BACK else ""
    lock.save()
