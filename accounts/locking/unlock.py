"""Releasing a lock: only an agent, only after a proof, and nothing that an intruder had set comes back with it
(HLP-02 to HLP-06)."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from accounts.enums import Proof, ReleaseReason, State
from accounts.models import Account, Lock, RecoveryAddressChange, RecoveryAddressCorrection
from accounts.recovery.changes import report_unauthorized_change
from accounts.recovery.pending import cancel_pending_change
from accounts.signals import account_unlocked
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from outbox.enums import Kind
from outbox.services import queue_email

#: What an intruder may have changed counts from so long before the lock (HLP-06).
REVIEWED_BEFORE_LOCK = timedelta(days=30)
SHORTEST_REPORT = 10
#: Who may act on agents; the permission is made where roles are (`agents.roles`).
MANAGE_AGENTS = "agents.manage_agents"

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
    """The lock stays; the subclasses say why."""


class NotLocked(UnlockRefused):
    """There is no open lock, or not any more: another agent was faster."""


class UnlockNotAllowed(UnlockRefused):
    """Only agents release, never themselves; another agent is for those who manage agents (ADM-05)."""


class UnlockNotProven(UnlockRefused):
    """No proof that counts: none of the list, or a call back to somebody whose number HR does not know (HLP-03)."""


class ReportTooShort(UnlockRefused):
    """The agent has to write what was done, in ten characters or more (HLP-03)."""


class NoRecoveryAddress(UnlockRefused):
    """There is no recovery address on file that the link could go to (HLP-05): have it corrected first."""


class AddressNotRestorable(UnlockRefused):
    """No such change of the recovery address can be taken back, or not any more: agents correct it then."""


class ChangesNotReviewed(UnlockRefused):
    """Some changes that an intruder may have made have not been ticked (HLP-06)."""

    def __init__(self, entries: Collection[JournalEntry]) -> None:
        super().__init__()
        self.entries = entries


def changes_to_review(account: Account) -> list[JournalEntry]:
    """Each change of recovery address, redirection, password or number to call (HLP-04: many people change theirs in
    the HR system by themselves) in the 30 days before the lock, and since; the latest first. Empty when the account is
    not locked.
    """
    lock = account.locks.open().first()
    if lock is None:
        return []
    since = lock.locked_at - REVIEWED_BEFORE_LOCK
    changes = Q(event__in=CHANGES_TO_REVIEW) | Q(event=Event.USER_UPDATED, details__fields__contains="phone")
    return list(account.journal.filter(changes, at__gte=since).order_by("-at", "-pk"))


def restorable_addresses(account: Account, changes: Sequence[JournalEntry]) -> dict[int, str]:
    """Which of the `changes` to review can be taken back with "ce n'était pas moi", and the recovery address that would
    be on file again, by the key of the entry.

    None, once another address has come from elsewhere; nor what came before an earlier release, or before an address
    that agents have given, which took two of them.
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
    """Take back a change of the recovery address that the person did not make, and any later one, so that the link of
    the release does not go to whoever made it (HLP-05, HLP-06). The account stays locked; the address that is on file
    again is told of the lock, the other one that it serves no more, in case it is the owner's after all.

    `change` is a key of `addresses_to_put_back`; `details` are what else the journal keeps. Raises NotLocked,
    NotForThisAgent, CannotBePutBack.
    """
    account = _locked(account)
    _require_right(agent, account)
    changes = {entry.pk: entry for entry in changes_to_review(account)}
    if change not in restorable_addresses(account, list(changes.values())):
        raise AddressNotRestorable
    told = [account.recovery_address] if account.can_be_mailed else []
    account = report_unauthorized_change(entry=changes[change], actor=agent, **details)
    _tell_of_put_back(account, told)
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
    """Release the lock of `account`, and mail the link with which the person takes it up again.

    `proof` says how the agent made sure who asks; `reviewed` holds the keys of all that `changes_to_review` gives. A
    call back goes to the number that HR knows, which the lock keeps (HLP-04). The password never serves again, what
    waits is given up, forwarding stops. The link goes to the recovery address on file (HLP-05); somebody who had never
    activated gets the activation link. `details` are what else the journal keeps, such as the request that led to it.

    Raises a ReleaseRefused, and then nothing has changed.
    """
    account = _locked(account)
    if not account.can_be_mailed:
        raise NoRecoveryAddress
    _require_right(agent, account)
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
    account.set_unusable_password()
    account.save(update_fields=["password"])
    cancel_pending_change(account, actor=agent)
    account_unlocked.send(sender=Lock, account=account, agent=agent)
    kind = Kind.REACTIVATION if account.activated_at else Kind.NEW_LINK
    queue_email(kind=kind, person=account, address=account.recovery_address, language=account.language)
    return lock


def _locked(account: Account) -> Account:
    """The account as it is now, its row held. Two queries: what is read after the wait is what the other one left.
    Raises NotLocked.
    """
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    # Without `with_lock`, whose answer would be remembered after the release.
    now: Account = Account.objects.get(pk=account.pk)
    if now.state != State.LOCKED:
        raise NotLocked
    return now


def _tell_of_put_back(account: Account, removed: Collection[str]) -> None:
    lock = account.locks.open().get()
    entry = account.journal.filter(event=Event.RECOVERY_ADDRESS_RESTORED).latest("pk")
    mails = [(Kind.ACCOUNT_LOCKED, account.recovery_address, lock.pk)]
    mails += [(Kind.RECOVERY_CORRECTED, address, entry.pk) for address in removed]
    for kind, address, subject_id in mails:
        queue_email(kind=kind, person=account, address=address, language=account.language, subject_id=subject_id)


def _settled_at(account: Account) -> datetime:
    """When agents have last settled where links go: by a release, or with an address of theirs."""
    given = RecoveryAddressCorrection.objects.filter(account=account, undone_at__isnull=True)
    moments = (
        account.locks.aggregate(last=Max("released_at"))["last"],
        given.aggregate(last=Max("applied_at"))["last"],
    )
    return max((moment for moment in moments if moment is not None), default=account.created_at)


def _require_right(agent: Account, account: Account) -> None:
    is_agent = agent.is_staff and agent.state == State.ACTIVE
    is_above = is_agent and agent.has_perm(MANAGE_AGENTS)
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
