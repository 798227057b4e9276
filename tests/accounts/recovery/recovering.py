"""Changing a recovery address and taking it back, as its owner and whoever reads the mails do."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.links.links import not_me_link, recovery_address_link
from accounts.models import Account, RecoveryAddressChange
from accounts.recovery.changes import confirm_recovery_change, request_recovery_change
from journal.events import Event
from journal.models import JournalEntry
from tests.signing_in import log_in

NEW = "nouvelle@exemple.org"


def browser_of(person: Account) -> Client:
    """Where the person has just signed in, with the password."""
    return log_in(Client(), person)


def stolen_cookie_of(person: Account) -> Client:
    """A session in which nobody has given the password lately."""
    browser = Client()
    browser.force_login(person)
    return browser


def fresh(person: Account) -> Account:
    """The account as it is now."""
    account: Account = Account.objects.get(pk=person.pk)
    return account


def ask(browser: Client, address: str = NEW, **more: str) -> HttpResponse:
    return browser.post(reverse("account-recovery"), {"address": address, **more})


def wish(person: Account, address: str = NEW) -> RecoveryAddressChange:
    """The person has asked for another address; nobody has confirmed it."""
    return request_recovery_change(account=fresh(person), address=address)


def fingerprint_of(change: RecoveryAddressChange) -> str:
    token = recovery_address_link.token(
        fresh(change.account), recovery_address_link.deadline(timezone.now()), change.pk
    )
    return recovery_address_link.read(token).fingerprint


def link_of(change: RecoveryAddressChange, *, days_ago: int = 0) -> str:
    """The link that the worker would have mailed that many days ago to the new address."""
    deadline = recovery_address_link.deadline(timezone.now() - timedelta(days=days_ago))
    return reverse(
        "recovery-address-link", args=[recovery_address_link.token(fresh(change.account), deadline, change.pk)]
    )


def confirm(path: str, browser: Client | None = None) -> HttpResponse:
    """Open the link and press the button, on a device of its own."""
    browser = browser or Client()
    browser.get(path)
    return browser.post(reverse("recovery-address"))


def change_to(person: Account, address: str = NEW) -> JournalEntry:
    """The recovery address is another one; answers the entry that records it."""
    change = wish(person, address)
    confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint_of(change))
    return fresh(person).journal.filter(event=Event.RECOVERY_ADDRESS_CHANGED).latest("pk")


def notice_of(entry: JournalEntry, *, days_ago: int = 0) -> str:
    """The link under "ce n'était pas moi" that the notice carries, as if the change had been made some days ago."""
    deadline = not_me_link.deadline(entry.at - timedelta(days=days_ago))
    return reverse("not-me-link", args=[not_me_link.token(fresh(entry.account), deadline, entry.pk)])


def report(path: str, browser: Client | None = None) -> HttpResponse:
    """Open the link of a notice and press the button."""
    browser = browser or Client()
    browser.get(path)
    return browser.post(reverse("not-me"))


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each act answers, or raises, when all begin at the same moment, each on a connection of its own."""
    begin = Barrier(len(acts))

    def work(act: Callable[[], Any]) -> Any:
        begin.wait(20)
        try:
            return act()
        except Exception as raised:
            return raised
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(work, acts))
