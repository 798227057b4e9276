"""What people do with browsers besides going on: back, twice, two tabs, another language, cookies that vanish."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from accounts.models import Account
from activation.models import LinkRequest
from journal.events import Event
from tests.activation.wizard.client import link_to
from tests.browser.visitor import (
    NEEDS_BROWSER,
    Visitor,
    accept_the_charter,
    begin_until_the_mailbox,
    choose_a_password,
    link_in,
    sign_in,
)
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.stack import Stack

pytestmark = NEEDS_BROWSER

WEBMAIL = "http://webmail.example/"
NAMES_OF_ENTRIES = "performance.getEntries().map(entry => entry.name)"
DONE_OR_BEATEN = re.compile("^Votre compte est (activé|déjà actif)$")


def events_of(person: Account) -> list[str]:
    return list(person.journal.order_by("pk").values_list("event", flat=True))


def test_going_back_shows_the_answers_given_and_losing_none_leads_on(new_visitor: Callable[..., Visitor]):
    """SES-02."""
    visitor = new_visitor()
    begin_until_the_mailbox(visitor, pending_account())
    visitor.page.go_back()
    visitor.sees("L’annuaire public")
    expect(visitor.page.get_by_label("Non, ne pas afficher ma fiche")).to_be_checked()
    visitor.page.go_back()
    visitor.sees("La charte informatique")
    accept_the_charter(visitor)
    visitor.sees("Votre messagerie universitaire")
    visitor.follow("Retour : Annuaire public")
    visitor.sees("L’annuaire public")


def test_going_back_after_the_end_says_that_the_account_is_active(new_visitor: Callable[..., Visitor]):
    visitor = new_visitor()
    begin_until_the_mailbox(visitor, pending_account())
    visitor.press("Suivant")
    choose_a_password(visitor)
    visitor.sees("Votre compte est activé")
    visitor.page.go_back()
    visitor.sees("Votre compte est déjà actif")
    assert visitor.page.locator("input[type=password]").count() == 0


@pytest.mark.parametrize("has_scripts", [True, False], ids=["with scripts", "without scripts"])
def test_pressing_every_button_twice_does_everything_once(
    has_scripts: bool, stack: Stack, new_visitor: Callable[..., Visitor]
):
    person, visitor = pending_account(), new_visitor(java_script_enabled=has_scripts)
    visitor.open(link_to(person))
    visitor.button("Commencer l’activation").dblclick()
    visitor.sees("La charte informatique")
    visitor.tick("J’ai lu la charte et je m’engage à la respecter")
    visitor.button("Suivant").dblclick()
    visitor.sees("L’annuaire public")
    visitor.tick("Oui, afficher ma fiche")
    visitor.tick("Je confirme mon choix")
    visitor.button("Suivant").dblclick()
    visitor.sees("Votre messagerie universitaire")
    visitor.tick("Rediriger mes messages vers une autre adresse")
    visitor.type("Adresse de redirection", "zoe@ailleurs.example")
    visitor.button("Suivant").dblclick()
    visitor.sees("Vérifiez votre adresse de redirection")
    visitor.button("Continuer sans attendre").dblclick()
    visitor.sees("Votre mot de passe")
    visitor.type("Choisissez un mot de passe", A_GOOD_PASSWORD)
    if not has_scripts:
        visitor.type("Ressaisissez le mot de passe", A_GOOD_PASSWORD)
    visitor.button("Activer mon compte").dblclick()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(DONE_OR_BEATEN)
    assert len(stack.catcher.wait_for(2)) == 2
    assert events_of(person) == [
        Event.ACTIVATION_STARTED,
        Event.CHARTER_ACCEPTED,
        Event.DIRECTORY_CONSENT_GIVEN,
        Event.REDIRECTION_CHOSEN,
        Event.REDIRECTION_VERIFICATION_REQUESTED,
        Event.MAILBOX_CREATED,
        Event.PASSWORD_SET,
        Event.USER_ACTIVATED,
    ]


def test_pressing_twice_asks_for_one_link(stack: Stack, new_visitor: Callable[..., Visitor]):
    """From the home page to the journey, through the mail."""
    person, visitor = pending_account(), new_visitor()
    visitor.open("/")
    visitor.page.get_by_role("main").get_by_role("link", name="Première connexion").click()
    visitor.type("Votre identifiant", person.login)
    visitor.button("Recevoir un lien").dblclick()
    visitor.sees("Regardez vos e-mails")
    [mail] = stack.catcher.wait_for(1)
    assert LinkRequest.objects.count() == 1
    visitor.open(link_in(mail))
    visitor.reads(person.login)


def test_two_tabs_take_turns(new_visitor: Callable[..., Visitor]):
    person, visitor = pending_account(), new_visitor()
    begin_until_the_mailbox(visitor, person)
    left, right = visitor.page, visitor.context.new_page()
    right.goto("/activation/messagerie/")
    visitor.press("Suivant")
    visitor.sees("Votre mot de passe")
    visitor.page = right
    visitor.press("Suivant")
    choose_a_password(visitor)
    visitor.sees("Votre compte est activé")
    visitor.page = left
    visitor.type("Choisissez un mot de passe", f"{A_GOOD_PASSWORD}-autre")
    visitor.press("Activer mon compte")
    visitor.sees("Votre compte est déjà actif")
    assert Account.objects.get(pk=person.pk).check_password(A_GOOD_PASSWORD)
    assert events_of(person).count(Event.USER_ACTIVATED) == 1


@pytest.mark.parametrize(
    ("cookies", "explanation"),
    [
        (["sessionid"], "Reprenons à partir de votre e-mail"),
        (["sessionid", "csrftoken"], "La page est restée ouverte trop longtemps"),
    ],
    ids=["session", "all cookies"],
)
def test_a_lost_session_loses_no_answer(cookies: list[str], explanation: str, new_visitor: Callable[..., Visitor]):
    """SES-04, A11Y-06: a page that helps, then the same link goes on where one was."""
    person, visitor = pending_account(), new_visitor()
    begin_until_the_mailbox(visitor, person)
    for cookie in cookies:
        visitor.context.clear_cookies(name=cookie)
    visitor.press("Suivant")
    visitor.sees(explanation)
    visitor.open(link_to(person))
    visitor.reads("Vos réponses sont gardées. Reprenons à l’étape 4.")
    visitor.press("Reprendre l’activation")
    visitor.sees("Votre messagerie universitaire")


def test_a_link_followed_from_a_webmail_keeps_its_session(new_visitor: Callable[..., Visitor]):
    """SES-06: the first request comes from another site."""
    visitor = new_visitor()
    page = f'<!doctype html><a href="{visitor.portal}{link_to(pending_account())}">Activer</a>'
    visitor.page.route(WEBMAIL, lambda route: route.fulfill(body=page, content_type="text/html"))
    visitor.open(WEBMAIL)
    visitor.troubles.clear()  # the webmail is not the portal
    visitor.follow("Activer")
    visitor.press("Commencer l’activation")
    visitor.sees("La charte informatique")
    assert "/activation/charte/" in visitor.page.url


def test_the_address_of_the_link_is_gone_from_the_browser(new_visitor: Callable[..., Visitor]):
    """TOK-09."""
    visitor, link = new_visitor(), link_to(pending_account())
    visitor.open(link)
    visitor.press("Commencer l’activation")
    visitor.sees("La charte informatique")
    addresses = [visitor.page.url, *visitor.page.evaluate(NAMES_OF_ENTRIES), visitor.page.evaluate("document.referrer")]
    assert [address for address in addresses if link.strip("/").split("/")[-1] in address] == []


def test_the_other_language_keeps_the_step(new_visitor: Callable[..., Visitor]):
    visitor = new_visitor()
    begin_until_the_mailbox(visitor, pending_account())
    visitor.follow("English")
    visitor.sees("Your university mailbox")
    visitor.press("Next")
    visitor.sees("Your password")


def test_after_signing_out_the_back_button_shows_nothing(new_visitor: Callable[..., Visitor]):
    """HDR-04."""
    person, visitor = active_account(), new_visitor()
    visitor.open("/connexion/")
    sign_in(visitor, person)
    visitor.sees("Votre compte informatique")
    visitor.press("Se déconnecter")
    visitor.page.wait_for_url(f"{visitor.portal}/")
    visitor.page.go_back()
    visitor.sees("Se connecter")
    expect(visitor.page.get_by_text(person.login)).to_have_count(0)
