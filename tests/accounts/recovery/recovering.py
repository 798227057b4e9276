"""Changes of a recovery address and their links."""

from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.links.account_links import not_me_link, recovery_address_link
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock, RecoveryAddressChange
from accounts.recovery.changes import confirm_recovery_change, request_recovery_change
from journal.events import Event
from journal.models import JournalEntry
from outbox.models import Message
from tests.factories import reloaded
from tests.locking import UNLOCK_REASONS
from tests.mail_delivery import MailDelivery

NEW = "nouvelle@exemple.org"


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
    """A pending change."""
    return request_recovery_change(account=reloaded(person), address=address)


def fingerprint_of(change: RecoveryAddressChange) -> str:
    token = recovery_address_link.token(
        reloaded(change.account), recovery_address_link.deadline(timezone.now()), change.pk
    )
    return recovery_address_link.read(token).fingerprint


def link_of(change: RecoveryAddressChange, *, days_ago: int = 0) -> str:
    deadline = recovery_address_link.deadline(timezone.now() - timedelta(days=days_ago))
    return reverse(
        "recovery-address-link", args=[recovery_address_link.token(reloaded(change.account), deadline, change.pk)]
    )


def confirm(path: str, browser: Client | None = None) -> HttpResponse:
    """Open the link and press the button, by default in a new browser."""
    browser = browser or Client()
    browser.get(path)
    return browser.post(reverse("recovery-address"))


def change_to(person: Account, address: str = NEW) -> JournalEntry:
    """Request and confirm; returns the journal entry."""
    change = wish(person, address)
    confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint_of(change))
    return reloaded(person).journal.filter(event=Event.RECOVERY_ADDRESS_CHANGED).latest("pk")


def notice_of(entry: JournalEntry, *, days_ago: int = 0) -> str:
    """The link « Ce n’était pas moi »."""
    deadline = not_me_link.deadline(entry.at - timedelta(days=days_ago))
    return reverse("not-me-link", args=[not_me_link.token(reloaded(entry.account), deadline, entry.pk)])


def report(path: str, browser: Client | None = None) -> HttpResponse:
    browser = browser or Client()
    browser.get(path)
    return browser.post(reverse("not-me"))
