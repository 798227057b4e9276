"""The activation in a browser: from a row of the HR file to the account, and what visitors do on the way."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from playwright.sync_api import expect

from accounts.models import Account, Session
from journal.events import Event
from outbox.tasks import send_due_messages
from tests.activation.wizard.client import link_to
from tests.browser.inspection import inspect
from tests.browser.visitor import IS_FOCUSED, NEEDS_BROWSER, PHONE, Keyboard, link_in, mail_to
from tests.factories import A_GOOD_PASSWORD, active_account, events_of, pending_account, reloaded

pytestmark = NEEDS_BROWSER

COLUMNS = "hr_id;family_name;given_name;birth_date;category;employer;recovery_address;start_date;language"
RECOVERY, OTHER = "zoe.petit@exemple.net", "zoe@ailleurs.example"
WAYS = {
    "on a large screen": ({}, "fr"),
    "on a phone": (PHONE, "fr"),
    "without JavaScript": ({"java_script_enabled": False}, "fr"),
    "in English": ({"locale": "en-GB"}, "en"),
}
STEPS = [Event.ACTIVATION_STARTED, Event.CHARTER_ACCEPTED, Event.DIRECTORY_CONSENT_REFUSED, Event.REDIRECTION_CHOSEN]
STEPS += [Event.REDIRECTION_VERIFICATION_REQUESTED]
LAST_STEPS = [Event.MAILBOX_CREATED, Event.PASSWORD_SET, Event.USER_ACTIVATED]
ADDRESSES_KEPT = "[location.href, document.referrer, ...performance.getEntries().map(entry => entry.name)]"


@pytest.mark.parametrize(("options", "language"), WAYS.values(), ids=WAYS)
def test_an_imported_person_activates_the_account_and_signs_in(options, language, stack, new_visitor, tmp_path):
    feed, start = tmp_path / "staff.csv", timezone.localdate() - timedelta(days=3)
    row = f"E1;Petit-Nicolas;Zoé;1990-05-17;staff;Université Exemple;{RECOVERY};{start};{language}"
    feed.write_text(f"{COLUMNS}\n{row}\n")
    call_command("import_staff", str(feed))
    person = Account.objects.get(hr_id="E1")
    stack.send(send_due_messages)
    visitor, friend = new_visitor(**options), new_visitor(**options)
    with override(language):
        visitor.open(link_in(mail_to(stack, RECOVERY)))
        assert ("/en/" in visitor.page.url) == (language == "en")
        visitor.reads(person.login)
        visitor.press(_("Commencer l’activation"))
        visitor.accept_the_charter()
        visitor.say_no_to_the_directory()
        visitor.forward_to(OTHER)
        visitor.follow(_("J’ai confirmé l’adresse, continuer"))
        visitor.reads(_("L’adresse n’est pas encore vérifiée."))
        friend.open(link_in(mail_to(stack, OTHER)))
        friend.press(_("Confirmer cette adresse"))
        friend.sees(_("Adresse vérifiée"))
        if visitor.has_scripts:
            visitor.reads(_("Adresse vérifiée. Vous pouvez continuer."))
            expect(visitor.page.get_by_text(_("L’adresse n’est pas encore vérifiée."))).to_be_hidden()
        visitor.follow(_("J’ai confirmé l’adresse, continuer"))
        visitor.choose_a_password()
        visitor.sees(_("Votre compte est activé"))
        visitor.reads(OTHER)
        visitor.follow(_("Se connecter"))
        visitor.sign_in(person)
        visitor.sees(_("Votre compte informatique"))
        visitor.reads(person.login)
        mail_to(stack, RECOVERY, _("Votre compte informatique est actif"))
    person = reloaded(person)
    assert person.charter_acceptances.get().language == language
    assert (person.redirection.target, person.redirection.keep_copy) == (OTHER, True)
    expected = [Event.USER_CREATED, *STEPS, Event.REDIRECTION_VERIFIED, *LAST_STEPS, Event.SIGNED_IN]
    assert events_of(person) == expected


def test_going_back_keeps_the_answers_until_the_account_is_active(new_visitor):
    """SES-02, TOK-09: the address of the link is nowhere in the browser."""
    visitor, link = new_visitor(), link_to(pending_account())
    visitor.open(link)
    visitor.press("Commencer l’activation")
    visitor.accept_the_charter()
    assert link.strip("/").split("/")[-1] not in "".join(visitor.page.evaluate(ADDRESSES_KEPT))
    visitor.say_no_to_the_directory()
    visitor.sees("Votre messagerie universitaire")
    visitor.page.go_back()
    visitor.sees("L’annuaire public")
    expect(visitor.page.get_by_label("Non, ne pas afficher ma fiche")).to_be_checked()
    visitor.page.go_back()
    expect(visitor.page.get_by_label("J’ai lu la charte")).to_be_checked()
    visitor.accept_the_charter()
    visitor.sees("Votre messagerie universitaire")
    visitor.follow("Retour : Annuaire public")
    visitor.say_no_to_the_directory()
    visitor.follow("English")
    visitor.sees("Your university mailbox")
    visitor.press("Next")
    visitor.sees("Your password")
    visitor.follow("Français")
    visitor.choose_a_password()
    visitor.sees("Votre compte est activé")
    visitor.page.go_back()
    visitor.sees("Votre compte est déjà actif")
    expect(visitor.page.locator("input[type=password]")).to_have_count(0)


def test_going_back_to_a_refused_form_shows_the_form_and_keeps_nothing(new_visitor):
    """HDR-04, SES-02: Chromium would show ERR_CACHE_MISS. HDR-05: with DEBUG=true, a missing page is the portal's own."""
    forms = {"/connexion/": "Se connecter", "/en/connexion/": "Sign in", "/assistance/": "Envoyer la demande"}
    for address, button in forms.items():
        visitor = new_visitor()
        visitor.open(address)
        for leave in (lambda: visitor.page.goto("/nulle-part/") and visitor.page.go_back(), visitor.page.reload):
            visitor.press(button)
            visitor.page.locator("#erreurs").wait_for()
            visitor.page.wait_for_load_state()
            leave()
            expect(visitor.button(button)).to_be_visible()
            expect(visitor.page.locator("#erreurs")).to_have_count(0)
    visitor.open("/nulle-part/")
    visitor.sees("Page introuvable")


@pytest.mark.parametrize("has_scripts", [True, False], ids=["with scripts", "without scripts"])
def test_pressing_every_button_twice_does_everything_once(has_scripts, stack, new_visitor):
    person, visitor = pending_account(), new_visitor(java_script_enabled=has_scripts)
    visitor.presses_twice = True
    visitor.begin_until_the_mailbox(person)
    visitor.forward_to(OTHER)
    visitor.press("Continuer sans attendre")
    visitor.choose_a_password()
    # A second press without scripts may arrive after the session has got another key: its page leads back to the link.
    visitor.sees(re.compile("^Votre compte est (activé|déjà actif)$|^Reprenons à partir de votre e-mail$"))
    assert len(stack.catcher.wait_for(2)) == 2
    assert events_of(person) == [*STEPS, *LAST_STEPS]


def test_a_lost_session_loses_no_answer(new_visitor):
    """SES-04, A11Y-06: the page explains; the same link returns to the step."""
    for cookies, explanation in (
        ("sessionid", "Reprenons à partir de votre e-mail"),
        (re.compile("sessionid|csrftoken"), "La page est restée ouverte trop longtemps"),
    ):
        person, visitor = pending_account(), new_visitor()
        visitor.begin_until_the_mailbox(person)
        visitor.context.clear_cookies(name=cookies)
        visitor.press("Suivant")
        visitor.sees(explanation)
        visitor.open(link_to(person))
        visitor.reads("Vos réponses sont gardées. Reprenons à l’étape 4.")
        visitor.press("Reprendre l’activation")
        visitor.sees("Votre messagerie universitaire")


def test_a_link_followed_from_a_webmail_keeps_its_session(new_visitor):
    """SES-06: the first request comes from another site."""
    visitor, webmail = new_visitor(), "http://webmail.example/"
    page = f'<!doctype html><a href="{visitor.portal}{link_to(pending_account())}">Activer</a>'
    visitor.page.route(webmail, lambda route: route.fulfill(body=page, content_type="text/html"))
    visitor.open(webmail)
    visitor.troubles.clear()  # the webmail is not the portal
    visitor.follow("Activer")
    visitor.press("Commencer l’activation")
    visitor.sees("La charte informatique")
    assert "/activation/charte/" in visitor.page.url


def test_a_password_is_shown_on_demand_and_pasted_while_the_rules_follow_the_typing(new_visitor):
    """A11Y-05."""
    visitor = new_visitor(permissions=["clipboard-read", "clipboard-write"])
    visitor.begin_until_the_mailbox(pending_account(given_name="Camille", family_name="Berthelot"))
    visitor.press("Suivant")
    visitor.sees("Votre mot de passe")
    typed, page = visitor.field("Choisissez un mot de passe"), visitor.page
    rules = [page.locator(f"[data-rule={rule}]") for rule in ("length", "personal")]
    expect(typed).to_have_attribute("type", "password")
    visitor.press("Afficher le mot de passe")
    expect(typed).to_have_attribute("type", "text")
    expect(page.locator("[data-toggle]")).to_have_attribute("aria-pressed", "true")
    visitor.reads_aloud("Votre mot de passe est affiché")
    for text, classes in (("berthelot", ""), (A_GOOD_PASSWORD, "ok")):
        typed.fill(text)
        for rule in rules:
            expect(rule).to_have_class(classes)
    visitor.reads_aloud("Les règles visibles sont respectées.")
    assert inspect(visitor) == []
    typed.fill("Berthelot-2026-xyz")
    visitor.press("Activer mon compte")
    visitor.reads("Il y a une erreur")
    expect(typed).to_have_value("")
    page.evaluate("text => navigator.clipboard.writeText(text)", A_GOOD_PASSWORD)
    typed.press("Control+v")
    visitor.press("Activer mon compte")
    visitor.sees("Votre compte est activé")


def test_another_mail_is_offered_after_a_minute_and_sessions_can_be_extended(new_visitor):
    """A11Y-06 (WCAG 2.2.1), SES-04: two minutes before the end, ten times; then the session has ended on the server."""
    visitor, idle = new_visitor(), settings.WIZARD_IDLE_SECONDS
    clock, question = visitor.page.clock, visitor.page.get_by_text("Êtes-vous toujours là ?")
    clock.install()
    visitor.begin_until_the_mailbox(pending_account())
    expect(visitor.field("Adresse de redirection")).to_be_hidden()
    visitor.forward_to(OTHER)
    expect(visitor.button("Renvoyer l’e-mail")).to_be_hidden()
    clock.fast_forward(61_000)
    expect(visitor.button("Renvoyer l’e-mail")).to_be_visible()
    visitor.press("Continuer sans attendre")
    visitor.sees("Votre mot de passe")
    clock.fast_forward((idle - 200) * 1000)
    expect(question).to_be_hidden()
    clock.fast_forward(74_000)
    assert question.is_visible()
    assert inspect(visitor) == []
    for _time in range(10):
        with visitor.page.expect_response("**/activation/continuer/") as answer:
            visitor.press("Continuer")
        assert answer.value.status == 204
        expect(question).to_be_hidden()
        clock.fast_forward((idle - 100) * 1000)
    clock.fast_forward((idle + 5) * 1000)
    visitor.reads("La session est terminée.")

    person, idle = active_account(), settings.SESSION_IDLE_SECONDS
    visitor.open("/compte/")
    visitor.sign_in(person)
    visitor.sees("Votre compte informatique")
    for is_open in (True, False):
        clock.fast_forward((idle - 115) * 1000)
        if not is_open:
            Session.objects.filter(account=person).delete()
        with visitor.page.expect_response("**/compte/continuer/") as answer:
            visitor.press("Continuer")
        assert (answer.value.status == 204) == is_open
    visitor.reads("La session est terminée.")
    expect(visitor.button("Continuer")).to_be_hidden()


def test_a_link_is_asked_for_and_the_account_activated_with_the_keyboard(stack, new_visitor):
    """A11Y-07: in a narrow window, where a part of the page could cover the focus."""
    person, visitor = pending_account(), new_visitor(width=320)
    keyboard = Keyboard(visitor)
    visitor.open("/")
    keyboard.tab()
    visitor.page.keyboard.press("Enter")
    assert visitor.page.locator("main").evaluate(IS_FOCUSED)
    keyboard.press(visitor.page.get_by_role("main").get_by_role("link", name="Première connexion"))
    keyboard.type("Votre identifiant", person.login)
    keyboard.press("Recevoir un lien")
    visitor.sees("Regardez vos e-mails")
    visitor.open(link_in(mail_to(stack, person.recovery_address)))
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
    keyboard.type("Adresse de redirection", OTHER)
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
    visitor.reads("Il y a 2 erreurs")
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
    assert (person.directory_consents.get().listed, person.redirection.target) == (False, OTHER)
