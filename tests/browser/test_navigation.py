"""Back button, double clicks, two tabs, another language, lost cookies."""

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
    say_no_to_the_directory,
)
from tests.factories import A_GOOD_PASSWORD, pending_account
from tests.stack import Stack

pytestmark = NEEDS_BROWSER

WEBMAIL = "http://webmail.example/"
NAMES_OF_ENTRIES = "performance.getEntries().map(entry => entry.name)"
ACTIVE = re.compile("^Votre compte est (activé|déjà actif)$")


def events_of(person: Account) -> list[str]:
    return list(person.journal.order_by("pk").values_list("event", flat=True))


def test_going_back_keeps_the_answers_until_the_account_is_active(new_visitor: Callable[..., Visitor]):
    """SES-02, TOK-09: the address of the link is nowhere in the browser."""
    visitor, link = new_visitor(), link_to(pending_account())
    visitor.open(link)
    visitor.press("Commencer l’activation")
    accept_the_charter(visitor)
    addresses = [visitor.page.url, *visitor.page.evaluate(NAMES_OF_ENTRIES), visitor.page.evaluate("document.referrer")]
    assert [address for address in addresses if link.strip("/").split("/")[-1] in address] == []
    say_no_to_the_directory(visitor)
    visitor.sees("Votre messagerie universitaire")
    visitor.page.go_back()
    visitor.sees("L’annuaire public")
    expect(visitor.page.get_by_label("Non, ne pas afficher ma fiche")).to_be_checked()
    visitor.page.go_back()
    visitor.sees("La charte informatique")
    accept_the_charter(visitor)
    visitor.sees("Votre messagerie universitaire")
    visitor.follow("Retour : Annuaire public")
    say_no_to_the_directory(visitor)
    visitor.follow("English")
    visitor.sees("Your university mailbox")
    visitor.press("Next")
    visitor.sees("Your password")
    visitor.follow("Français")
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
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(ACTIVE)
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
    """SES-04, A11Y-06: the page explains; the same link returns to the step."""
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
