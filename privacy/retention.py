"""How long what is known of accounts is kept (PRV-05)."""

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


def deleted_behind_the_door(rows: list[Any]) -> None:
    """The fate of rows that nobody else can delete."""
    with allow_retention():
        delete_rows(rows)


def given_up(changes: list[RecoveryAddressChange]) -> None:
    """The old recovery address stays; the journal says why."""
    for change in changes:
        change.cancelled_at = timezone.now()
        change.save(update_fields=["cancelled_at"])
        record_event(account=change.account, event=Event.RECOVERY_CHANGE_EXPIRED, address=change.new_address)


def refused(corrections: list[RecoveryAddressCorrection]) -> None:
    """The address on file stays: a proof of somebody's identity does not keep for ever."""
    for correction in corrections:
        cancel_correction(correction=correction)


@retention_rule("sessions", after=None)
def ended_sessions(limit: datetime) -> Rows:
    """Sessions that nobody can use any more."""
    ended: Rows = Session.objects.filter(expire_date__lt=limit)
    return ended


@retention_rule("waiting-recovery-addresses", after="RETENTION_WAITING_DAYS", by=given_up, holding=("self", "account"))
def unconfirmed_recovery_addresses(limit: datetime) -> Rows:
    """New recovery addresses that nobody has confirmed since they were last written to."""
    written_to = Message.objects.filter(kind=Kind.RECOVERY_VERIFICATION, subject_id=OuterRef("pk"))
    waiting = RecoveryAddressChange.objects.waiting().select_related("account").filter(asked_at__lt=limit)
    return waiting.exclude(Exists(written_to.asked_since(limit)))


@retention_rule("former-recovery-addresses", after="RETENTION_JOURNAL_DAYS")
def settled_recovery_changes(limit: datetime) -> Rows:
    """Changes of a recovery address that were confirmed or given up, with the addresses before."""
    return RecoveryAddressChange.objects.filter(asked_at__lt=limit).exclude(
        confirmed_at__isnull=True, cancelled_at__isnull=True
    )


@retention_rule(
    "unapproved-recovery-addresses", after="RETENTION_WAITING_DAYS", by=refused, holding=("self", "account")
)
def unapproved_recovery_addresses(limit: datetime) -> Rows:
    """Recovery addresses that an agent has proposed and no other has approved."""
    return RecoveryAddressCorrection.objects.to_approve().select_related("account").filter(proposed_at__lt=limit)


@retention_rule("corrected-recovery-addresses", after="RETENTION_JOURNAL_DAYS")
def settled_corrections(limit: datetime) -> Rows:
    """Recovery addresses that agents have given, with the addresses before."""
    settled = RecoveryAddressCorrection.objects.filter(proposed_at__lt=limit)
    return settled.exclude(applied_at__isnull=True, given_up_at__isnull=True)


@retention_rule("journal", after="RETENTION_JOURNAL_DAYS", by=deleted_behind_the_door)
def old_entries(limit: datetime) -> Rows:
    """What happened, and from where."""
    return JournalEntry.objects.filter(at__lt=limit)


@retention_rule("departed-people", after="RETENTION_DEPARTED_DAYS", by=erase)
def departed_people(limit: datetime) -> Rows:
    """People who activated their account and left."""
    return _left_before(limit).filter(activated_at__isnull=False)


@retention_rule("never-activated", after="RETENTION_NEVER_ACTIVATED_DAYS", by=erase)
def people_who_never_came(limit: datetime) -> Rows:
    """People who left without having activated their account; whoever HR still employs may yet do so."""
    return _left_before(limit).filter(activated_at__isnull=True)


def _left_before(limit: datetime) -> AccountQuerySet:
    """Agents answer for what they did, so their rights are taken away by hand first."""
    people: AccountQuerySet = Account.objects.filter(
        end_date__lt=timezone.localdate(limit), erased_at__isnull=True, is_staff=False, is_superuser=False
    )
    return people
