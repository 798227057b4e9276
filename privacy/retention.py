"""How long data about accounts are kept."""

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import Account, AccountQuerySet, RecoveryAddressChange, RecoveryAddressCorrection, Session
from accounts.recovery.pending import cancel_correction
from core.retention import Rows, delete_rows, retention_rule
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from journal.triggers import allow_retention
from outbox.enums import Kind
from outbox.models import Message
from privacy.erasure import erase


def delete_append_only(rows: list[Any]) -> None:
    with allow_retention():
        delete_rows(rows)


def cancel_changes(changes: list[RecoveryAddressChange]) -> None:
    for change in changes:
        change.cancelled_at = timezone.now()
        change.save(update_fields=["cancelled_at"])
        record_event(account=change.account, event=Event.RECOVERY_CHANGE_EXPIRED, address=change.new_address)


def cancel_corrections(corrections: list[RecoveryAddressCorrection]) -> None:
    for correction in corrections:
        cancel_correction(correction=correction)


@retention_rule("sessions", after=None)
def ended_sessions(limit: datetime) -> Rows:
    ended: Rows = Session.objects.filter(expire_date__lt=limit)
    return ended


@retention_rule(
    "waiting-recovery-addresses", after="RETENTION_WAITING_DAYS", by=cancel_changes, lock=("self", "account")
)
def unconfirmed_recovery_addresses(limit: datetime) -> Rows:
    """Not confirmed since the last mail to them."""
    written_to = Message.objects.filter(kind=Kind.RECOVERY_VERIFICATION, subject_id=OuterRef("pk"))
    waiting = RecoveryAddressChange.objects.waiting().select_related("account").filter(asked_at__lt=limit)
    return waiting.exclude(Exists(written_to.asked_since(limit)))


@retention_rule("former-recovery-addresses", after="RETENTION_JOURNAL_DAYS")
def closed_recovery_changes(limit: datetime) -> Rows:
    return RecoveryAddressChange.objects.filter(asked_at__lt=limit).exclude(
        confirmed_at__isnull=True, cancelled_at__isnull=True
    )


@retention_rule(
    "unapproved-recovery-addresses", after="RETENTION_WAITING_DAYS", by=cancel_corrections, lock=("self", "account")
)
def unapproved_recovery_addresses(limit: datetime) -> Rows:
    return RecoveryAddressCorrection.objects.to_approve().select_related("account").filter(proposed_at__lt=limit)


@retention_rule("corrected-recovery-addresses", after="RETENTION_JOURNAL_DAYS")
def closed_corrections(limit: datetime) -> Rows:
    closed = RecoveryAddressCorrection.objects.filter(proposed_at__lt=limit)
    return closed.exclude(applied_at__isnull=True, given_up_at__isnull=True)


@retention_rule("journal", after="RETENTION_JOURNAL_DAYS", by=delete_append_only)
def old_entries(limit: datetime) -> Rows:
    return JournalEntry.objects.filter(at__lt=limit)


@retention_rule("departed-people", after="RETENTION_DEPARTED_DAYS", by=erase)
def departed_people(limit: datetime) -> Rows:
    return _left_before(limit).filter(activated_at__isnull=False)


@retention_rule("never-activated", after="RETENTION_NEVER_ACTIVATED_DAYS", by=erase)
def never_activated_people(limit: datetime) -> Rows:
    """Left without activating. People still employed may yet activate."""
    return _left_before(limit).filter(activated_at__isnull=True)


def _left_before(limit: datetime) -> AccountQuerySet:
    """Without agents: their rights are withdrawn by hand first."""
    people: AccountQuerySet = Account.objects.filter(
        end_date__lt=timezone.localdate(limit), erased_at__isnull=True, is_staff=False, is_superuser=False
    )
    return people
