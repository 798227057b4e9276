"""Recovery addresses changed by their owners, given by agents or proposed by HR, and the links about them."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof
from accounts.links.account_links import not_me_link, recovery_address_link
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock, RecoveryAddressChange, RecoveryAddressCorrection
from accounts.recovery import corrections
from accounts.recovery.changes import confirm_recovery_change, request_recovery_change
from agents.roles import Role
from journal.events import Event
from journal.models import JournalEntry
from outbox.models import Message
from tests.agents.signed_in import an_agent
from tests.factories import reloaded
from tests.locking import REPORT, UNLOCK_REASONS
from tests.mail_delivery import MailDelivery

NEW, GIVEN = "nouvelle@exemple.org", "donnee@exemple.org"
REASON = "Faute de frappe dans le fichier RH."


def lock(person: Account, reason: LockReason = LockReason.PHISHING) -> None:
    lock_account(account=person, reason=reason)


def end_lock(person: Account) -> None:
    Lock.objects.filter(account=person, released_at=None).update(released_at=timezone.now(), **UNLOCK_REASONS)


def close(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))


def recipients(**facts: Any) -> list[str]:
    return list(Message.objects.filter(**facts).order_by("pk").values_list("address", flat=True))


def reset_mail_recipients(person: Account, mail_delivery: MailDelivery) -> list[str]:
    before = len(mail_delivery.deliver())
    Client().post(reverse("forgotten-password"), {"login": person.login})
    return [mail["To"] for mail in mail_delivery.deliver()[before:]]


def ask(browser: Client, address: str = NEW, **more: str) -> HttpResponse:
    return browser.post(reverse("account-recovery"), {"address": address, **more})


def wish(person: Account, address: str = NEW) -> RecoveryAddressChange:
    return request_recovery_change(account=reloaded(person), address=address)


def link_of(change: RecoveryAddressChange) -> str:
    deadline = recovery_address_link.deadline(timezone.now())
    token = recovery_address_link.token(reloaded(change.account), deadline, change.pk)
    return reverse("recovery-address-link", args=[token])


def fingerprint_of(change: RecoveryAddressChange) -> str:
    return recovery_address_link.read(link_of(change).split("/")[-2]).fingerprint


def confirm(path: str, browser: Client | None = None, page: str = "recovery-address") -> HttpResponse:
    """Open the link and press the button, by default in a new browser."""
    browser = browser or Client()
    browser.get(path)
    return browser.post(reverse(page))


def change_to(person: Account, address: str = NEW) -> JournalEntry:
    """Request and confirm; returns the journal entry."""
    change = wish(person, address)
    confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint_of(change))
    return reloaded(person).journal.filter(event=Event.RECOVERY_ADDRESS_CHANGED).latest("pk")


def notice_of(entry: JournalEntry) -> str:
    token = not_me_link.token(reloaded(entry.account), not_me_link.deadline(entry.at), entry.pk)
    return reverse("not-me-link", args=[token])


report = partial(confirm, page="not-me")
a_responsable = partial(an_agent, Role.RESPONSABLES)


def proposed(
    person: Account, agent: Account | None = None, *, address: str = GIVEN, proof: Proof = Proof.IN_PERSON
) -> RecoveryAddressCorrection:
    return corrections.propose_replacement(
        account=person, agent=agent or a_responsable(), address=address, proof=proof, note=REPORT
    )


def approve(correction: RecoveryAddressCorrection, agent: Account | None = None) -> RecoveryAddressCorrection:
    return corrections.approve_replacement(correction_id=correction.pk, agent=agent or a_responsable())


def cancel(correction: RecoveryAddressCorrection, agent: Account) -> RecoveryAddressCorrection:
    return corrections.cancel_replacement(correction_id=correction.pk, agent=agent, reason=REASON)


def now_of(correction: RecoveryAddressCorrection) -> RecoveryAddressCorrection:
    return RecoveryAddressCorrection.objects.get(pk=correction.pk)


def approved(person: Account, *, address: str = GIVEN, by: Account | None = None) -> RecoveryAddressCorrection:
    return approve(proposed(person, address=address), by)


def in_force(person: Account, *, address: str = GIVEN) -> RecoveryAddressCorrection:
    """Approved a day ago, applied now."""
    with time_machine.travel(timezone.now() - timedelta(days=1, seconds=1), tick=False):
        correction = approved(person, address=address)
    assert corrections.apply_replacement(correction_id=correction.pk)
    return now_of(correction)


def proposed_by_hr(person: Account, address: str, *, at: datetime | None = None) -> JournalEntry:
    facts = {"at": at or timezone.now(), "source": "command", "details": {"proposed": address}}
    return JournalEntry.objects.create(account=person, event=Event.RECOVERY_ADDRESS_PROPOSED, **facts)
