"""Change of the recovery address by its owner, and « Ce n’était pas moi »."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.enums import LockReason
from accounts.links.account_links import not_me_link, recovery_address_link
from accounts.links.signed_link import InvalidLink, LinkUsed
from accounts.locking.lock import lock_account
from accounts.models import Account, RecoveryAddressChange, RecoveryAddressCorrection
from accounts.notifications import notification_addresses
from accounts.recovery.mail_quota import MailQuotaExceeded, log_withheld_mail, verification_allowed_at
from accounts.recovery.pending import cancel_open_correction, cancel_pending_change
from accounts.services import lock_active_account
from core.email_addresses import external_address, same_address
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email


class SameAddress(Exception):
    pass


@transaction.atomic
def request_recovery_change(*, account: Account, address: str) -> RecoveryAddressChange:
    """Mail the new address, which has to confirm the change. Replaces a pending change to another address.

    Raises SameAddress, InvalidAddress, MailQuotaExceeded, AccountNotActive.
    """
    account = lock_active_account(account)
    address = external_address(address)
    if same_address(address, account.recovery_address):
        raise SameAddress
    pending = _pending(account)
    if pending is not None and pending.new_address == address:
        _mail_verification(pending)
        return pending
    if pending is not None:
        cancel_pending_change(account, actor=account)
    change = RecoveryAddressChange.objects.create(
        account=account, previous_address=account.recovery_address, new_address=address
    )
    record_event(account=account, actor=account, event=Event.RECOVERY_CHANGE_REQUESTED, address=address)
    _mail_verification(change)
    return change


@transaction.atomic
def resend_recovery_verification(*, account: Account) -> None:
    """Raises MailQuotaExceeded, RecoveryAddressChange.DoesNotExist, AccountNotActive."""
    change = _pending(lock_active_account(account))
    if change is None:
        raise RecoveryAddressChange.DoesNotExist
    _mail_verification(change)


@transaction.atomic
def cancel_recovery_change(*, account: Account) -> None:
    """Idempotent. Raises AccountNotActive."""
    account = lock_active_account(account)
    cancel_pending_change(account, actor=account)


@transaction.atomic
def confirm_recovery_change(*, change_id: int, fingerprint: str) -> RecoveryAddressChange:
    """Replace the recovery address and notify the previous addresses, with a link to undo it.

    `fingerprint` is that of the opened link. Raises LinkUsed, InvalidLink when the change was cancelled or the account
    changed since, AccountNotActive.
    """
    account = lock_active_account(RecoveryAddressChange.objects.select_related("account").get(pk=change_id).account)
    change = RecoveryAddressChange.objects.get(pk=change_id)
    if change.confirmed_at is not None:
        raise LinkUsed(account.pk)
    if not recovery_address_link.matches_fingerprint(account, fingerprint, change.pk):
        raise InvalidLink
    addresses, previous = notification_addresses(account), account.recovery_address
    set_recovery_address(account, change.new_address)
    entry = record_event(
        account=account, event=Event.RECOVERY_ADDRESS_CHANGED, previous=previous, address=change.new_address
    )
    # The same time as the entry: `report_unauthorized_change` undoes what was confirmed since.
    change.confirmed_at, change.previous_address = entry.at, previous
    change.save(update_fields=["confirmed_at", "previous_address"])
    for address in addresses:
        _mail(Kind.RECOVERY_CHANGED, account, address, entry.pk)
    return change


@transaction.atomic
def report_unauthorized_change(*, entry: JournalEntry, actor: Account | None = None, **details: object) -> Account:
    """Lock the account, undo this and later changes of the recovery address, and cancel pending ones. Idempotent.

    The address that was on file is told; the restored one gets the notice of the lock.
    `actor` is the agent who acts for the owner, None for the link in a notice. `details` go into the journal.
    """
    # Not `lock()`: its `is_locked` would be stale after `lock_account`.
    account: Account = Account.objects.select_for_update(of=("self",)).get(pk=entry.account_id)
    if not_me_link.is_done(account, entry.pk) or account.locks.filter(released_at__gte=entry.at).exists():
        # Reported already, or unlocked by an agent since.
        return account
    record_event(
        account=account, actor=actor, event=Event.CHANGE_DISOWNED, entry=entry.pk, changed=entry.event, **details
    )
    cancel_pending_change(account)
    cancel_open_correction(account)
    _restore_recovery_address(account, actor, since=entry.at)
    lock_account(account=account, reason=LockReason.SUSPICIOUS_ACTIVITY, actor=actor)
    return account


def set_recovery_address(account: Account, address: str) -> None:
    """Mark `address` as chosen by the owner: no HR file overwrites it. The caller has locked the row."""
    account.recovery_address = address
    account.recovery_address_owner_set_at = timezone.now()
    account.recovery_address_disputed_at = None
    account.save(update_fields=["recovery_address", "recovery_address_owner_set_at", "recovery_address_disputed_at"])


def last_recovery_verification(change: RecoveryAddressChange) -> Message | None:
    asked = Message.objects.filter(kind=Kind.RECOVERY_VERIFICATION, subject_id=change.pk, person=change.account_id)
    return asked.order_by("-created_at").first()


def _mail_verification(change: RecoveryAddressChange) -> None:
    last = last_recovery_verification(change)
    kind, address, account = Kind.RECOVERY_VERIFICATION, change.new_address, change.account
    retry_at = verification_allowed_at(kind=kind, address=address, person=account, last=last)
    if retry_at > timezone.now():
        log_withheld_mail(kind=kind, person=account)
        raise MailQuotaExceeded(retry_at)
    _mail(kind, account, address, change.pk)


def _mail(kind: Kind, account: Account, address: str, subject_id: int) -> None:
    queue_email(kind=kind, person=account, address=address, language=account.language, subject_id=subject_id)


def _pending(account: Account) -> RecoveryAddressChange | None:
    return RecoveryAddressChange.objects.waiting().select_related("account").filter(account=account).first()


def _restore_recovery_address(account: Account, actor: Account | None, *, since: datetime) -> None:
    own = RecoveryAddressChange.objects.filter(account=account, confirmed_at__gte=since, undone_at__isnull=True)
    agents = RecoveryAddressCorrection.objects.filter(account=account, applied_at__gte=since, undone_at__isnull=True)
    changes = [
        *own.values_list("confirmed_at", "pk", "previous_address"),
        *agents.values_list("applied_at", "pk", "previous_address"),
    ]
    if not changes:
        return
    _at, _pk, address = min(changes)
    for later in (own, agents):
        later.update(undone_at=timezone.now())
    displaced = account.recovery_address if account.can_be_mailed else ""
    set_recovery_address(account, address)
    entry = record_event(account=account, actor=actor, event=Event.RECOVERY_ADDRESS_RESTORED, address=address)
    if displaced and not same_address(displaced, address):
        # An intruder may read the former mailbox, and the owner the present one.
        _mail(Kind.RECOVERY_CORRECTED, account, displaced, entry.pk)
