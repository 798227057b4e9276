"""Cancels pending changes of the recovery address."""

from django.utils import timezone

from accounts.models import Account, RecoveryAddressChange, RecoveryAddressCorrection
from journal.events import Event
from journal.services import record_event


def cancel_pending_change(account: Account, *, actor: Account | None = None) -> None:
    """The caller has locked the account's row."""
    change = RecoveryAddressChange.objects.waiting().filter(account=account).first()
    if change is None:
        return
    change.cancelled_at = timezone.now()
    change.save(update_fields=["cancelled_at"])
    record_event(account=account, actor=actor, event=Event.RECOVERY_CHANGE_CANCELLED, address=change.new_address)


def cancel_open_correction(account: Account) -> None:
    """The caller has locked the account's row."""
    correction = RecoveryAddressCorrection.objects.open().filter(account=account).first()
    if correction is not None:
        cancel_correction(correction=correction)


def cancel_correction(*, correction: RecoveryAddressCorrection, actor: Account | None = None, **why: str) -> None:
    """`why` goes into the journal. The caller has locked the account's row."""
    correction.given_up_at, correction.given_up_by = timezone.now(), actor
    correction.save(update_fields=["given_up_at", "given_up_by"])
    record_event(
        account=correction.account,
        actor=actor,
        event=Event.RECOVERY_REPLACEMENT_GIVEN_UP,
        correction=correction.pk,
        **why,
    )
