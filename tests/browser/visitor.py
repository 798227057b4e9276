"""A visitor at a browser, who reads, ticks, types and presses; the steps of the activation and the login."""

import re
from typing import Any

import pytest
from django.utils.translation import gettext as _
from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Locator, Page, Request, expect

from accounts.models import Account
from devtools.browser import find
from devtools.mailcatcher import CaughtMessage
from tests.activation.wizard.client import link_to
from tests.factories import A_GOOD_PASSWORD
from tests.stack import Stack, wait_until

IN_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(find() is None, reason="NO CHROMIUM ON THIS MACHINE: the pages are not tested in a browser"),
]
# On the portal as it runs, whose processes see only what is committed.
NEEDS_BROWSER = [*IN_BROWSER, pytest.mark.xdist_group("browser"), pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "is_mobile": True, "has_touch": True}
WITHOUT_SCRIPTS = {**PHONE, "java_script_enabled": False}
ANOTHER_PASSWORD = "tuile-oignon-harpe-velours"
# What Chromium writes for any page whose status is an error, however well it is answered.
STATUS_OF_A_PAGE = "Failed to load resource: the server responded with a status of "
IS_FOCUSED = "element => element === document.activeElement"
# What has the focus: its name, whether a ring of two pixels is drawn around it and whether all of it is covered.
FOCUS = """() => {
    const element = document.activeElement;
    const {outlineStyle, outlineWidth} = getComputedStyle(element);
    const {left, right, top, bottom} = element.getBoundingClientRect();
    const places = [[left + 2, top + 2], [(left + right) / 2, (top + bottom) / 2], [right - 2, bottom - 2]];
    const seen = ([x, y]) => element.contains(document.elementFromPoint(x, y));
    return {
        name: element.outerHTML.slice(0, 120),
        ringed: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
        seen: places.some(seen),
    };
}"""


class Visitor:
    """A context (cookies of its own), the page shown, and what the browser complained about."""

    def __init__(self, context: BrowserContext, portal: str, *, has_scripts: bool) -> None:
        self.context, self.portal, self.has_scripts = context, portal, has_scripts
        self.presses_twice = False
        self.troubles: list[str] = []
        context.on("console", self._note_complaint)
        context.on("weberror", lambda error: self.troubles.append(str(error.error)))
        context.on("request", self._note_foreign_request)
        context.on("dialog", self._note_dialog)
        self.page: Page = context.new_page()

    def open(self, address: str) -> None:
        self.page.goto(address)

    def sees(self, heading: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)

    def reads(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()

    def reads_nowhere(self, text: str) -> None:
        expect(self.page.get_by_text(text)).to_have_count(0)

    def reads_aloud(self, text: str) -> None:
        """Hear this from a screen reader; waits for it."""
        expect(self.page.get_by_role("status").filter(has_text=text)).to_have_count(1)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        self.button(name).click(click_count=2 if self.presses_twice else 1)

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def tick(self, name: str) -> None:
        self.page.get_by_label(name).check()

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}"))

    def type(self, label: str, text: str) -> None:
        self.field(label).fill(text)

    def type_new_password(self, label: str, password: str = A_GOOD_PASSWORD) -> None:
        self.type(label, password)
        if not self.has_scripts:
            self.type(_("Ressaisissez le mot de passe"), password)

    def accept_the_charter(self) -> None:
        self.sees(_("La charte informatique"))
        self.tick(_("J’ai lu la charte et je m’engage à la respecter"))
        self.press(_("Suivant"))

    def say_no_to_the_directory(self) -> None:
        self.sees(_("L’annuaire public"))
        self.tick(_("Non, ne pas afficher ma fiche"))
        self.tick(_("Je confirme mon choix"))
        self.press(_("Suivant"))

    def begin_until_the_mailbox(self, person: Account) -> None:
        self.open(link_to(person))
        self.press(_("Commencer l’activation"))
        self.accept_the_charter()
        self.say_no_to_the_directory()
        self.sees(_("Votre messagerie universitaire"))

    def forward_to(self, target: str) -> None:
        self.sees(_("Votre messagerie universitaire"))
        self.tick(_("Rediriger mes messages vers une autre adresse"))
        self.type(_("Adresse de redirection"), target)
        self.press(_("Suivant"))
        self.sees(_("Vérifiez votre adresse de redirection"))

    def choose_a_password(self) -> None:
        self.sees(_("Votre mot de passe"))
        self.type_new_password(_("Choisissez un mot de passe"))
        self.press(_("Activer mon compte"))

    def sign_in(self, person: Account, *, password: str = A_GOOD_PASSWORD) -> None:
        self.sees(_("Se connecter"))
        self.type(_("Identifiant"), person.login)
        self.type(_("Mot de passe"), password)
        self.press(_("Se connecter"))

    def is_signed_out(self) -> None:
        self.open("/compte/")
        self.sees("Se connecter")
        self.reads_nowhere("Lefebvre")
        expect(self.button("Se déconnecter")).to_have_count(0)

    def _note_complaint(self, message: ConsoleMessage) -> None:
        source = message.location["url"]
        expected = message.text.startswith(STATUS_OF_A_PAGE) and "/static/" not in source
        if message.type in ("error", "warning") and not expected:
            self.troubles.append(f"{message.text} ({source})")

    def _note_dialog(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _note_foreign_request(self, request: Request) -> None:
        if not request.url.startswith((self.portal, "data:")):
            self.troubles.append(f"asked for {request.url}")


class Keyboard:
    """Moves with Tab and looks at the focus at every stop."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.page = visitor, visitor.page

    def tab(self) -> None:
        # The words of a page may be there before its style.
        self.page.wait_for_load_state()
        self.page.keyboard.press("Tab")
        focus: dict[str, Any] = self.page.evaluate(FOCUS)
        if not focus["name"].startswith("<body"):
            assert focus["ringed"], f"no focus to be seen on {focus['name']}"
            assert focus["seen"], f"covered: {focus['name']}"

    def reach(self, target: Locator) -> None:
        target.wait_for()
        for _stop in range(40):
            if target.evaluate(IS_FOCUSED):
                return
            self.tab()
        raise AssertionError(f"{target} is not reached with Tab")

    def press(self, target: Locator | str, key: str = "Enter") -> None:
        """A button by its name, or any element."""
        self.reach(self.visitor.button(target) if isinstance(target, str) else target)
        self.page.keyboard.press(key)

    def follow(self, name: str) -> None:
        self.press(self.page.get_by_role("link", name=name, exact=True))

    def choose(self, label: str, key: str = "Space") -> None:
        self.press(self.page.get_by_label(label), key)

    def type(self, label: str, text: str) -> None:
        self.reach(self.visitor.field(label))
        self.page.keyboard.type(text)

    def log_in(self, login: str) -> None:
        self.type("Identifiant", login)
        self.type("Mot de passe", A_GOOD_PASSWORD)
        self.page.keyboard.press("Enter")


def mail_to(stack: Stack, address: str, subject: str = "") -> CaughtMessage:
    """The only one of that subject; waits for it."""

    def found() -> list[CaughtMessage]:
        return [one for one in stack.catcher.messages if one["To"] == address and one["Subject"].startswith(subject)]

    wait_until(lambda: bool(found()), stack.log("worker"), seconds=20)
    [only] = found()
    return only


def link_in(mail: CaughtMessage) -> str:
    found = re.search(r"^(http://\S+/[A-Za-z0-9_-]{60,}/)\s*$", mail.text(), re.MULTILINE)
    assert found, mail.text()
    return found[1]
