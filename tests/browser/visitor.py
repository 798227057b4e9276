"""Somebody in front of a browser, who does what people do: read, tick, type, press."""

import re

import pytest
from django.utils.translation import gettext as _
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response, expect

from accounts.models import Account
from devtools.browser import find
from devtools.mailcatcher import CaughtMessage
from tests.activation.wizard.client import link_to
from tests.factories import A_GOOD_PASSWORD

IN_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(find() is None, reason="NO CHROMIUM ON THIS MACHINE: the pages are not tested in a browser"),
]
# On the portal as it runs, whose processes see only what is committed.
NEEDS_BROWSER = [*IN_BROWSER, pytest.mark.xdist_group("browser"), pytest.mark.django_db(transaction=True)]
# What Chromium writes for any page whose status is an error, however well it is answered.
STATUS_OF_A_PAGE = "Failed to load resource: the server responded with a status of "
COOKIES = {"sessionid", "csrftoken"}


class Visitor:
    """One person: a context (cookies of their own), the page they look at, and what their browser complained about."""

    def __init__(self, context: BrowserContext, portal: str, *, has_scripts: bool) -> None:
        self.context = context
        self.has_scripts = has_scripts
        self.portal = portal
        self.troubles: list[str] = []
        context.on("console", self._note_complaint)
        context.on("weberror", lambda error: self.troubles.append(str(error.error)))
        context.on("request", self._note_foreign_request)
        self.page: Page = context.new_page()

    def open(self, address: str) -> Response | None:
        return self.page.goto(address)

    def sees(self, heading: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)

    def reads(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()

    def reads_aloud(self, text: str) -> None:
        """Hear this from a screen reader; waits for it."""
        expect(self.page.get_by_role("status").filter(has_text=text)).to_have_count(1)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        self.button(name).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def tick(self, name: str) -> None:
        self.page.get_by_label(name).check()

    def type(self, label: str, text: str) -> None:
        self.field(label).fill(text)

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}"))

    def _note_complaint(self, message: ConsoleMessage) -> None:
        source = message.location["url"]
        expected = message.text.startswith(STATUS_OF_A_PAGE) and "/static/" not in source
        if message.type in ("error", "warning") and not expected:
            self.troubles.append(f"{message.text} ({source})")

    def _note_foreign_request(self, request: Request) -> None:
        if not request.url.startswith((self.portal, "data:")):
            self.troubles.append(f"asked for {request.url}")


def link_in(mail: CaughtMessage) -> str:
    found = re.search(r"^(http://\S+/[A-Za-z0-9_-]{60,}/)\s*$", mail.text(), re.MULTILINE)
    assert found, mail.text()
    return found[1]


def accept_the_charter(visitor: Visitor) -> None:
    visitor.sees(_("La charte informatique"))
    visitor.tick(_("J’ai lu la charte et je m’engage à la respecter"))
    visitor.press(_("Suivant"))


def say_no_to_the_directory(visitor: Visitor) -> None:
    visitor.sees(_("L’annuaire public"))
    visitor.tick(_("Non, ne pas afficher ma fiche"))
    visitor.tick(_("Je confirme mon choix"))
    visitor.press(_("Suivant"))


def begin_until_the_mailbox(visitor: Visitor, person: Account) -> None:
    visitor.open(link_to(person))
    visitor.press(_("Commencer l’activation"))
    accept_the_charter(visitor)
    say_no_to_the_directory(visitor)
    visitor.sees(_("Votre messagerie universitaire"))


def forward_to(visitor: Visitor, target: str) -> None:
    visitor.sees(_("Votre messagerie universitaire"))
    visitor.tick(_("Rediriger mes messages vers une autre adresse"))
    visitor.type(_("Adresse de redirection"), target)
    visitor.press(_("Suivant"))


def choose_a_password(visitor: Visitor) -> None:
    visitor.sees(_("Votre mot de passe"))
    visitor.type(_("Choisissez un mot de passe"), A_GOOD_PASSWORD)
    if not visitor.has_scripts:
        visitor.type(_("Ressaisissez le mot de passe"), A_GOOD_PASSWORD)
    visitor.press(_("Activer mon compte"))


def sign_in(visitor: Visitor, person: Account, *, password: str = A_GOOD_PASSWORD) -> None:
    visitor.sees(_("Se connecter"))
    visitor.type(_("Identifiant"), person.login)
    visitor.type(_("Mot de passe"), password)
    visitor.press(_("Se connecter"))
