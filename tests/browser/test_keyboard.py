"""Activation and login with the keyboard only (A11Y-07)."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator

from tests.activation.wizard.client import link_to
from tests.browser.visitor import NEEDS_BROWSER, Visitor
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account

pytestmark = NEEDS_BROWSER

MOST_TABS = 40
IS_FOCUSED = "element => element === document.activeElement"
# What has the focus: its name, whether a ring of two pixels is drawn around it, and whether all of it is covered.
FOCUS = """() => {
    const element = document.activeElement;
    const {outlineStyle, outlineWidth} = getComputedStyle(element);
    const {left, right, top, bottom} = element.getBoundingClientRect();
    const places = [[left + 2, top + 2], [(left + right) / 2, (top + bottom) / 2], [right - 2, bottom - 2]];
    const seen = ([x, y]) => element.contains(document.elementFromPoint(x, y));
    return {
        name: element.outerHTML.slice(0, 120),
        ringed: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
        seen: element.tagName === "BODY" || places.some(seen),
    };
}"""

PLACE = """() => {
    const {outerHTML} = document.activeElement;
    return [document.activeElement.getBoundingClientRect().top + scrollY, outerHTML.slice(0, 120)];
}"""


class Keyboard:
    """Moves with Tab and looks at the focus at every stop."""

    def __init__(self, visitor: Visitor) -> None:
        self.page = visitor.page

    def stop(self, key: str = "Tab") -> tuple[float, str]:
        """Where the next stop is in the page, and what it is."""
        self.tab(key)
        return tuple(self.page.evaluate(PLACE))

    def tab(self, key: str = "Tab") -> None:
        # The words of a page may be there before its style.
        self.page.wait_for_load_state()
        self.page.keyboard.press(key)
        focus: dict[str, Any] = self.page.evaluate(FOCUS)
        if not focus["name"].startswith("<body"):
            assert focus["ringed"], f"no focus to be seen on {focus['name']}"
            assert focus["seen"], f"covered: {focus['name']}"

    def reach(self, target: Locator) -> None:
        target.wait_for()
        for _stop in range(MOST_TABS):
            if target.evaluate(IS_FOCUSED):
                return
            self.tab()
        raise AssertionError(f"{target} is not reached with Tab")

    def press(self, target: Locator, key: str = "Enter") -> None:
        self.reach(target)
        self.page.keyboard.press(key)

    def type(self, target: Locator, text: str) -> None:
        self.reach(target)
        self.page.keyboard.type(text)


def test_tab_offers_to_skip_to_the_content_then_goes_down_the_page_and_back_up(new_visitor: Callable[..., Visitor]):
    """Shift+Tab visits the same stops in reverse; stops follow the visual order."""
    visitor = new_visitor(width=320)
    keyboard, page = Keyboard(visitor), visitor.page
    visitor.open("/connexion/")
    keyboard.tab()
    page.keyboard.press("Enter")
    assert page.locator("main").evaluate(IS_FOCUSED)
    visitor.open("/connexion/")
    down = [keyboard.stop() for _stop in range(8)]
    assert [keyboard.stop("Shift+Tab") for _stop in range(7)] == down[-2::-1]
    inside = page.locator("main").bounding_box()
    assert inside
    tops = [top for top, _name in down if top > inside["y"]]
    assert len(tops) >= 3
    assert tops == sorted(tops)


def test_the_account_is_activated_with_the_keyboard(new_visitor: Callable[..., Visitor]):
    """In a narrow window, where a part of the page could cover the focus."""
    person = pending_account()
    visitor = new_visitor(width=320)
    keyboard, page = Keyboard(visitor), visitor.page
    visitor.open(link_to(person))
    keyboard.press(visitor.button("Commencer l’activation"))
    visitor.sees("La charte informatique")
    keyboard.press(page.get_by_label("J’ai lu la charte"), "Space")
    keyboard.press(visitor.button("Suivant"))
    visitor.sees("L’annuaire public")
    keyboard.press(page.get_by_label("Oui, afficher ma fiche"), "ArrowDown")
    keyboard.press(page.get_by_label("Je confirme mon choix"), "Space")
    keyboard.press(visitor.button("Suivant"))
    visitor.sees("Votre messagerie universitaire")
    keyboard.press(page.get_by_label("Rediriger mes messages"), "Space")
    keyboard.type(visitor.field("Adresse de redirection"), "zoe@ailleurs.example")
    keyboard.press(visitor.button("Suivant"))
    visitor.sees("Vérifiez votre adresse de redirection")
    keyboard.press(visitor.button("Continuer sans attendre"))
    visitor.sees("Votre mot de passe")
    keyboard.type(visitor.field("Choisissez un mot de passe"), A_GOOD_PASSWORD)
    keyboard.press(visitor.button("Afficher le mot de passe"), "Space")
    keyboard.press(visitor.button("Activer mon compte"))
    visitor.sees("Votre compte est activé")
    keyboard.press(page.get_by_role("link", name="Se connecter", exact=True))
    visitor.sees("Se connecter")
    keyboard.type(visitor.field("Identifiant"), person.login)
    keyboard.type(visitor.field("Mot de passe"), A_GOOD_PASSWORD)
    page.keyboard.press("Enter")
    visitor.sees("Votre compte informatique")
    person.refresh_from_db()
    assert not person.directory_consents.get().listed
    assert person.redirection.target == "zoe@ailleurs.example"


def test_login_and_language_work_with_the_keyboard(new_visitor: Callable[..., Visitor]):
    person, visitor = active_account(), new_visitor()
    keyboard, page = Keyboard(visitor), visitor.page
    visitor.open("/connexion/")
    keyboard.press(visitor.button("Se connecter"))
    visitor.reads("2 points sont à corriger")
    assert page.locator("#erreurs").evaluate(IS_FOCUSED)
    keyboard.press(page.get_by_role("link", name="Saisissez votre identifiant"))
    assert visitor.field("Identifiant").evaluate(IS_FOCUSED)
    keyboard.type(visitor.field("Identifiant"), person.login)
    keyboard.type(visitor.field("Mot de passe"), A_GOOD_PASSWORD)
    page.keyboard.press("Enter")
    visitor.sees("Votre compte informatique")
    keyboard.press(page.get_by_role("link", name="Modifier la langue"))
    visitor.sees("Langue")
    keyboard.press(page.get_by_label("Français"), "ArrowDown")
    keyboard.press(visitor.button("Enregistrer"))
    page.wait_for_url("**/en/compte/")
    person.refresh_from_db()
    assert person.language == "en"
    # Down to the last link of the page and none of it is a trap.
    keyboard.reach(page.get_by_role("contentinfo").get_by_role("link").last)
