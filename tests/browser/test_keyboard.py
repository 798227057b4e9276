"""The tab order and the activation with the keyboard only (A11Y-07); an agent's work: `test_locked_account.py`."""

from tests.activation.wizard.client import link_to
from tests.browser.visitor import IS_FOCUSED, NEEDS_BROWSER, Keyboard
from tests.factories import A_GOOD_PASSWORD, pending_account, reloaded

pytestmark = NEEDS_BROWSER


def test_tab_offers_to_skip_to_the_content_then_goes_down_the_page_and_back_up(new_visitor):
    """Shift+Tab visits the same stops in reverse; stops follow the visual order."""
    visitor = new_visitor(width=320)
    keyboard, page = Keyboard(visitor), visitor.page
    visitor.open("/connexion/")
    keyboard.tab()
    page.keyboard.press("Enter")
    assert page.locator("main").evaluate(IS_FOCUSED)
    visitor.open("/connexion/")
    down = [keyboard.tab() for _stop in range(8)]
    assert [keyboard.tab("Shift+Tab") for _stop in range(7)] == down[-2::-1]
    tops = [top for top, _name in down if top > page.locator("main").bounding_box()["y"]]
    assert len(tops) >= 3
    assert tops == sorted(tops)


def test_the_account_is_activated_with_the_keyboard(new_visitor):
    """In a narrow window, where a part of the page could cover the focus."""
    person, visitor = pending_account(), new_visitor(width=320)
    keyboard = Keyboard(visitor)
    visitor.open(link_to(person))
    keyboard.press("Commencer l’activation")
    visitor.sees("La charte informatique")
    keyboard.choose("J’ai lu la charte")
    keyboard.press("Suivant")
    visitor.sees("L’annuaire public")
    keyboard.choose("Oui, afficher ma fiche", "ArrowDown")
    keyboard.choose("Je confirme mon choix")
    keyboard.press("Suivant")
    visitor.sees("Votre messagerie universitaire")
    keyboard.choose("Rediriger mes messages")
    keyboard.type("Adresse de redirection", "zoe@ailleurs.example")
    keyboard.press("Suivant")
    visitor.sees("Vérifiez votre adresse de redirection")
    keyboard.press("Continuer sans attendre")
    visitor.sees("Votre mot de passe")
    keyboard.type("Choisissez un mot de passe", A_GOOD_PASSWORD)
    keyboard.press("Afficher le mot de passe", "Space")
    keyboard.press("Activer mon compte")
    visitor.sees("Votre compte est activé")
    keyboard.follow("Se connecter")
    visitor.sees("Se connecter")
    keyboard.press("Se connecter")
    visitor.reads("2 points sont à corriger")
    assert visitor.page.locator("#erreurs").evaluate(IS_FOCUSED)
    keyboard.follow("Saisissez votre identifiant")
    assert visitor.field("Identifiant").evaluate(IS_FOCUSED)
    keyboard.log_in(person.login)
    visitor.sees("Votre compte informatique")
    keyboard.follow("Modifier la langue")
    keyboard.choose("Français", "ArrowDown")
    keyboard.press("Enregistrer")
    visitor.page.wait_for_url("**/en/compte/")
    person = reloaded(person)
    assert person.language == "en"
    assert not person.directory_consents.get().listed
    assert person.redirection.target == "zoe@ailleurs.example"
