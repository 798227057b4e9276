"""Recovery addresses given by agents, for owners who cannot change theirs.

One agent corrects the address of a pending account at once. Anything else is a replacement: proposed with a proof,
approved by a second agent, announced to the old and new addresses, and applied a day later unless one of them objects,
or one of the two agents is an agent no more. Neither may be new (agents/staff/tenure.py).
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
from accounts.recovery.two_agents import (
    CorrectionRefused,
    may_correct,
    require_correction_permission,
    require_second_agent,
    require_tenure,
    require_two_with_tenure,
)
from core.email_addresses import external_address, same_address
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind
from outbox.services import queue_email

logger = logging.getLogger(__name__)

#: Time to object to a replacement.
EFFECTIVE_AFTER = timedelta(hours=24)
#: The mail with a link, by state of the account.
LINK = {State.PENDING: Kind.ACTIVATION, State.TO_REACTIVATE: Kind.REACTIVATION}
#: In the journal, when a replacement is given up.
AN_AGENT_LEFT = "Un des deux agents n’a plus le rôle qu’il faut."
BATCH = 500


class AccountClosed(CorrectionRefused):
    pass


class NeedsTwoAgents(CorrectionRefused):
    """The account was activated, or is locked."""


class AlreadyProposed(CorrectionRefused):
    def __init__(self, correction: RecoveryAddressCorrection) -> None:
        super().__init__()
        self.correction = correction


class CorrectionNotProven(CorrectionRefused):
    """Not a listed proof, or a call back without a number known to HR."""


class NotWaiting(CorrectionRefused):
    """Approved, cancelled or applied already."""

    def __init__(self, correction: RecoveryAddressCorrection) -> None:
        super().__init__()
        self.correction = correction


class AddressChangedMeanwhile(CorrectionRefused):
    pass


def may_be_corrected_at_once(account: Account) -> bool:
    return account.state == State.PENDING


def open_correction(account: Account) -> RecoveryAddressCorrection | None:
    corrections = RecoveryAddressCorrection.objects.open().filter(account=account)
    return corrections.select_related("proposed_by", "approved_by").first()


@transaction.atomic
def correct_at_once(
    *, account: Account, agent: Account, address: str, reason: str, **details: object
) -> RecoveryAddressCorrection:
    """Replace the address of a pending account. Notifies the old address and mails a link to the new one.

    `details` go into the journal. Raises CorrectionRefused, SameAddress, InvalidAddress.
    """
    account = _lock_for(agent, account)
    if not may_be_corrected_at_once(account):
        raise NeedsTwoAgents
    correction = _create(account, agent, address, note=reason)
    addresses = notification_addresses(account)
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
    _mail_each(Kind.RECOVERY_CORRECTED, account, addresses, entry.pk)
    _mail_link(account)
    return correction


@transaction.atomic
def propose_replacement(
    *, account: Account, agent: Account, address: str, proof: Proof, note: str, **details: object
) -> RecoveryAddressCorrection:
    """Nothing changes before another agent approves. A call back goes to the number known to HR, which is recorded.

    `details` go into the journal. Raises CorrectionRefused, SameAddress, InvalidAddress.
    """
    account = _lock_for(agent, account)
    require_tenure(agent)
    if proof not in Proof.values or (proof == Proof.CALL_BACK and not account.phone):
        raise CorrectionNotProven
    number = account.phone if proof == Proof.CALL_BACK else ""
    correction = _create(account, agent, address, note=note, proof=proof, number_called=number)
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
    """Schedule the replacement, and notify the addresses on file, with a link to object, and the new one.

    Raises CorrectionRefused, RecoveryAddressCorrection.DoesNotExist.
    """
    correction = _lock_correction(correction_id)
    account = correction.account
    require_second_agent(correction, agent)
    if not correction.is_open or correction.approved_at is not None:
        raise NotWaiting(correction)
    if account.is_closed:
        raise AccountClosed
    if account.recovery_address != correction.previous_address:
        raise AddressChangedMeanwhile
    require_two_with_tenure(correction, agent)
    entry = record_event(
        account=account, actor=agent, event=Event.RECOVERY_REPLACEMENT_APPROVED, correction=correction.pk
    )
    # The same time as the entry: an objection undoes what was applied since.
    correction.approved_at, correction.approved_by = entry.at, agent
    correction.effective_at = entry.at + EFFECTIVE_AFTER
    correction.save(update_fields=["approved_at", "approved_by", "effective_at"])
    _mail_each(Kind.RECOVERY_REPLACEMENT, account, notification_addresses(account), entry.pk)
    _mail_each(Kind.RECOVERY_ANNOUNCED, account, [correction.new_address], correction.pk)
    return correction


@transaction.atomic
def cancel_replacement(*, correction_id: int, agent: Account, reason: str) -> RecoveryAddressCorrection:
    """Refuse a proposal, or cancel an approved replacement; its proposer may do so too.

    Raises CorrectionNotAllowed, NotWaiting, RecoveryAddressCorrection.DoesNotExist.
    """
    correction = _lock_correction(correction_id)
    require_correction_permission(agent, correction.account)
    if not correction.is_open:
        raise NotWaiting(correction)
    cancel_correction(correction=correction, actor=agent, reason=reason)
    return correction


def apply_due_replacements() -> int:
    """Each in its own transaction, in batches. Idempotent. Returns how many were applied."""
    due = RecoveryAddressCorrection.objects.due(timezone.now()).order_by("effective_at", "pk")
    return sum(_try_to_apply(correction_id) for correction_id in due.values_list("pk", flat=True)[:BATCH])


@transaction.atomic
def apply_replacement(*, correction_id: int) -> bool:
    """Apply an approved replacement if it is due, by two who still are agents, and if the address on file is still the
    one that was notified.

    Notifies the previous addresses, with a link to undo it.
    """
    correction = _lock_correction(correction_id)
    account, now = correction.account, timezone.now()
    if not correction.is_open or correction.effective_at is None or correction.effective_at > now:
        return False
    if account.is_closed or account.recovery_address != correction.previous_address:
        # The address now on file was not notified.
        cancel_correction(correction=correction)
        return False
    if not all(may_correct(agent, account) for agent in (correction.proposed_by, correction.approved_by)):
        cancel_correction(correction=correction, reason=AN_AGENT_LEFT)
        return False
    cancel_pending_change(account)
    addresses = notification_addresses(account)
    set_recovery_address(account, correction.new_address)
    entry = record_event(account=account, event=Event.RECOVERY_ADDRESS_CHANGED, correction=correction.pk)
    correction.applied_at = entry.at
    correction.save(update_fields=["applied_at"])
    _mail_each(Kind.RECOVERY_CHANGED, account, addresses, entry.pk)
    _mail_link(account)
    return True


def _lock_for(agent: Account, account: Account) -> Account:
    now: Account = Account.objects.lock(account.pk)
    require_correction_permission(agent, now)
    if now.is_closed:
        raise AccountClosed
    return now


def _lock_correction(correction_id: int) -> RecoveryAddressCorrection:
    """The account's row is locked first, as everywhere."""
    account_id = RecoveryAddressCorrection.objects.values_list("account_id", flat=True).get(pk=correction_id)
    account = Account.objects.lock(account_id)
    people = ("proposed_by", "approved_by", "given_up_by")
    correction = RecoveryAddressCorrection.objects.select_related(*people).get(pk=correction_id)
    correction.account = account
    return correction


def _create(account: Account, agent: Account, address: str, **facts: str) -> RecoveryAddressCorrection:
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


def _try_to_apply(correction_id: int) -> bool:
    try:
        return apply_replacement(correction_id=correction_id)
    except Exception:
        logger.exception("Replacement %d of a recovery address failed", correction_id)
        return False


def _mail_each(kind: Kind, account: Account, addresses: Collection[str], subject_id: int) -> None:
    for address in addresses:
        queue_email(kind=kind, person=account, address=address, language=account.language, subject_id=subject_id)


def _mail_link(account: Account) -> None:
    kind = LINK.get(account.state)
    if kind is not None:
        queue_email(kind=kind, person=account, address=account.recovery_address, language=account.language)
