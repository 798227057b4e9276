"""Recovery addresses that agents give, for those who cannot change theirs (HLP-05, design §9).

A slip of HR on an account that nobody has ever used is put right by one agent, at once. Anything else is a replacement:
one agent proposes it with a proof, another one approves it, the addresses on file and the new one are told, and a day
later it comes into force, unless somebody has objected.
"""

import logging
from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.enums import Proof, State
from accounts.models import Account, RecoveryAddressCorrection
from accounts.notifications import notification_addresses
from accounts.recovery.changes import SameAddress, set_recovery_address
from accounts.recovery.pending import cancel_correction, cancel_pending_change
from core.email_addresses import external_address, same_address
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind
from outbox.services import queue_email

logger = logging.getLogger(__name__)

#: How long whoever is told may object before a replacement comes into force.
EFFECTIVE_AFTER = timedelta(hours=24)
#: The permission; it is made where roles are (`agents.roles`).
CORRECT_ADDRESS = "agents.correct_address"
#: What brings somebody back in, by their state.
LINK = {State.PENDING: Kind.ACTIVATION, State.TO_REACTIVATE: Kind.REACTIVATION}
BATCH = 500


class CorrectionRefused(Exception):
    """Nothing has changed; the subclasses say why."""


class CorrectionNotAllowed(CorrectionRefused):
    """Only agents with the permission, never on their own account nor on another agent's (ADM-05)."""


class OwnProposal(CorrectionNotAllowed):
    """Whoever proposes a replacement does not approve it, whatever their role is by now (HLP-05)."""


class AccountClosed(CorrectionRefused):
    """The person has left."""


class NeedsTwoAgents(CorrectionRefused):
    """Somebody has used the account, or it is locked: one agent alone does not change where its links go."""


class AlreadyProposed(CorrectionRefused):
    """Another address is open for this account: one at a time."""

    def __init__(self, correction: RecoveryAddressCorrection) -> None:
        super().__init__()
        self.correction = correction


class CorrectionNotProven(CorrectionRefused):
    """No proof that counts: none of the list, or a call back to somebody whose number HR does not know (HLP-03)."""


class NotWaiting(CorrectionRefused):
    """Approved, given up or in force meanwhile; `correction` says which."""

    def __init__(self, correction: RecoveryAddressCorrection) -> None:
        super().__init__()
        self.correction = correction


class AddressChangedMeanwhile(CorrectionRefused):
    """The address on file is not the one that was to be replaced."""


def may_be_corrected_at_once(account: Account) -> bool:
    """Whether one agent is enough: nobody has ever used the account, and no lock tells to be careful."""
    return account.state == State.PENDING


def open_correction(account: Account) -> RecoveryAddressCorrection | None:
    """The replacement that is to be approved or waits for its hour, with the agents who had a hand in it."""
    corrections = RecoveryAddressCorrection.objects.open().filter(account=account)
    return corrections.select_related("proposed_by", "approved_by").first()


@transaction.atomic
def correct_at_once(
    *, account: Account, agent: Account, address: str, reason: str, **details: object
) -> RecoveryAddressCorrection:
    """Put right the address of an account that was never activated: older links die, the new address gets one, the old
    one is told. A dispute of the old one is over. `details` are what else the journal keeps.

    Raises a CorrectionRefused, SameAddress, AddressRefused.
    """
    account = _held_for(agent, account)
    if not may_be_corrected_at_once(account):
        raise NeedsTwoAgents
    correction = _new(account, agent, address, note=reason)
    told = notification_addresses(account)
    set_recovery_address(account, correction.new_address)
    entry = record_event(
        account=account,
        actor=agent,
        event=Event.RECOVERY_ADDRESS_CORRECTED,
        correction=correction.pk,
        reason=reason,
        **details,
    )
    correction.applied_at = entry.at
    correction.save(update_fields=["applied_at"])
    _mail_each(Kind.RECOVERY_CORRECTED, account, told, entry.pk)
    _mail_link(account)
    return correction


@transaction.atomic
def propose_replacement(
    *, account: Account, agent: Account, address: str, proof: Proof, note: str, **details: object
) -> RecoveryAddressCorrection:
    """Propose another address for somebody whose identity the agent has proven; nothing changes before another agent
    approves it. A call back goes to the number that HR knows, which is kept (HLP-04). `details` are what else the
    journal keeps.

    Raises a CorrectionRefused, SameAddress, AddressRefused.
    """
    account = _held_for(agent, account)
    if proof not in Proof.values or (proof == Proof.CALL_BACK and not account.phone):
        raise CorrectionNotProven
    number = account.phone if proof == Proof.CALL_BACK else ""
    correction = _new(account, agent, address, note=note, proof=proof, number_called=number)
    record_event(
        account=account,
        actor=agent,
        event=Event.RECOVERY_REPLACEMENT_PROPOSED,
        correction=correction.pk,
        proof=proof,
        number_called=number,
        **details,
    )
    return correction


@transaction.atomic
def approve_replacement(*, correction_id: int, agent: Account) -> RecoveryAddressCorrection:
    """Let the address that another agent has proposed come into force a day later. The addresses on file are told, with
    the way to object, and the new one.

    Raises a CorrectionRefused, RecoveryAddressCorrection.DoesNotExist.
    """
    correction = _held_correction(correction_id)
    account = correction.account
    require_correction_permission(agent, account)
    if correction.proposed_by_id == agent.pk:
        raise OwnProposal
    if not correction.is_open or correction.approved_at is not None:
        raise NotWaiting(correction)
    if account.is_closed:
        raise AccountClosed
    if account.recovery_address != correction.previous_address:
        raise AddressChangedMeanwhile
    entry = record_event(
        account=account, actor=agent, event=Event.RECOVERY_REPLACEMENT_APPROVED, correction=correction.pk
    )
    # One instant for both: an objection undoes what came into force since the entry.
    correction.approved_at, correction.approved_by = entry.at, agent
    correction.effective_at = entry.at + EFFECTIVE_AFTER
    correction.save(update_fields=["approved_at", "approved_by", "effective_at"])
    _mail_each(Kind.RECOVERY_REPLACEMENT, account, notification_addresses(account), entry.pk)
    _mail_each(Kind.RECOVERY_ANNOUNCED, account, [correction.new_address], correction.pk)
    return correction


@transaction.atomic
def cancel_replacement(*, correction_id: int, agent: Account, reason: str) -> RecoveryAddressCorrection:
    """Refuse an address that was proposed, or cancel it before it comes into force: any agent with the permission, its
    author included.

    Raises NotForThisAgent, NotWaiting, RecoveryAddressCorrection.DoesNotExist.
    """
    correction = _held_correction(correction_id)
    require_correction_permission(agent, correction.account)
    if not correction.is_open:
        raise NotWaiting(correction)
    cancel_correction(correction=correction, actor=agent, reason=reason)
    return correction


def apply_due_replacements() -> int:
    """Put in force what was approved a day ago; how many that were. Safe to run twice, at once, or again after it was
    killed: each is a transaction of its own, and one that fails holds up no other.
    """
    due = RecoveryAddressCorrection.objects.due(timezone.now()).order_by("effective_at", "pk")
    return sum(_applied(correction_id) for correction_id in due.values_list("pk", flat=True)[:BATCH])


@transaction.atomic
def apply_replacement(*, correction_id: int) -> bool:
    """Put an approved address in force, if it is due and nothing has come between; whoever was on file is told, and how
    to take it back for seven days (HLP-07). Somebody who is waiting for a link gets it.
    """
    correction = _held_correction(correction_id)
    account, now = correction.account, timezone.now()
    if not correction.is_open or correction.effective_at is None or correction.effective_at > now:
        return False
    if account.is_closed or account.recovery_address != correction.previous_address:
        # Whoever has the address now on file was told nothing.
        cancel_correction(correction=correction)
        return False
    cancel_pending_change(account)
    told = notification_addresses(account)
    set_recovery_address(account, correction.new_address)
    entry = record_event(account=account, event=Event.RECOVERY_ADDRESS_CHANGED, correction=correction.pk)
    correction.applied_at = entry.at
    correction.save(update_fields=["applied_at"])
    _mail_each(Kind.RECOVERY_CHANGED, account, told, entry.pk)
    _mail_link(account)
    return True


def require_correction_permission(agent: Account, account: Account) -> None:
    """Raise NotForThisAgent unless `agent` may correct the recovery address of `account`."""
    is_agent = agent.is_staff and agent.state == State.ACTIVE and agent.has_perm(CORRECT_ADDRESS)
    if not is_agent or agent.pk == account.pk or account.is_staff:
        raise CorrectionNotAllowed


def _held(account_id: int) -> Account:
    """The account as it is now, its row held. Two queries: what is read after the wait is what the other one left."""
    Account.objects.select_for_update(of=("self",)).get(pk=account_id)
    now: Account = Account.objects.with_lock().get(pk=account_id)
    return now


def _held_for(agent: Account, account: Account) -> Account:
    """The same, once it is sure that the agent may give it an address, and that it has a use for one."""
    now = _held(account.pk)
    require_correction_permission(agent, now)
    if now.is_closed:
        raise AccountClosed
    return now


def _held_correction(correction_id: int) -> RecoveryAddressCorrection:
    """The correction as it is now; the row of its account is held, which everybody takes first."""
    account = _held(RecoveryAddressCorrection.objects.values_list("account_id", flat=True).get(pk=correction_id))
    correction = RecoveryAddressCorrection.objects.select_related("approved_by", "given_up_by").get(pk=correction_id)
    correction.account = account
    return correction


def _new(account: Account, agent: Account, address: str, **facts: str) -> RecoveryAddressCorrection:
    address = external_address(address)
    if same_address(address, account.recovery_address):
        raise SameAddress
    other = open_correction(account)
    if other is not None:
        raise AlreadyProposed(other)
    return RecoveryAddressCorrection.objects.create(
        account=account,
        previous_address=account.recovery_address,
        new_address=address,
        proposed_by=agent,
        **facts,
    )


def _applied(correction_id: int) -> bool:
    try:
        return apply_replacement(correction_id=correction_id)
    except Exception:
        logger.exception("The replacement %d of a recovery address did not come into force", correction_id)
        return False


def _mail_each(kind: Kind, account: Account, addresses: Collection[str], subject_id: int) -> None:
    for address in addresses:
        queue_email(kind=kind, person=account, address=address, language=account.language, subject_id=subject_id)


def _mail_link(account: Account) -> None:
    kind = LINK.get(account.state)
    if kind is not None:
        queue_email(kind=kind, person=account, address=account.recovery_address, language=account.language)
