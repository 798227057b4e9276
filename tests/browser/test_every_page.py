"""Every page in every state, through axe and the checks of `inspection` (A11Y-01, A11Y-03, A11Y-08, HDR-02, PRV-06)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from accounts.enums import Category
from config import errors
from mailrouting.services import choose_redirection, verify_redirection
from mailrouting.tokens import redirection_link
from outbox.enums import Status
from outbox.models import Message
from tests.activation.walking import link_to
from tests.browser.inspection import RENDERINGS, Inspection
from tests.browser.visitor import (
    NEEDS_BROWSER,
    Visitor,
    accept_the_charter,
    begin_until_the_mailbox,
    choose_a_password,
    sign_in,
)
from tests.people import active_person, pending_person

pytestmark = NEEDS_BROWSER

PUBLIC = {
    "home": "",
    "help": "aide/",
    "accessibility": "accessibilite/",
    "privacy": "donnees-personnelles/",
    "legal": "mentions-legales/",
    "site map": "plan-du-site/",
    "locked account": "compte-bloque/",
    "first connection": "premiere-connexion/",
    "answer to a first connection": "premiere-connexion/envoye/",
    "sign in": "connexion/",
    "no journey": "activation/",
    "bad activation link": "activation/abc/",
    "bad redirection link": "redirection/abc/",
}
LINKS_REFUSED_BEFORE_THE_LIMIT = 30
HTML = {"Content-Type": "text/html; charset=utf-8"}
SIGN_INS_BEFORE_THE_LIMIT = 5


@pytest.fixture
def visitor(new_visitor: Callable[..., Visitor]) -> Visitor:
    return new_visitor()


@pytest.fixture
def inspection() -> Inspection:
    return Inspection()


def test_pages_for_everybody(visitor: Visitor, inspection: Inspection):
    look_at_public_pages(visitor, inspection, root="/")
    assert not inspection.findings, inspection.report()


def test_pages_for_everybody_in_english(visitor: Visitor):
    """Same colours, other lengths."""
    inspection = Inspection("en", renderings=RENDERINGS[-1:])
    look_at_public_pages(visitor, inspection, root="/en/")
    assert not inspection.findings, inspection.report()


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_error_pages(status: int, visitor: Visitor, inspection: Inspection):
    answer = error_page(status)
    visitor.page.route("**/erreur/", lambda route: route.fulfill(status=status, body=answer.content, headers=HTML))
    visitor.open("/erreur/")
    inspection.look(visitor, f"error {status}")
    assert not inspection.findings, inspection.report()


def test_forms_for_everybody(visitor: Visitor, inspection: Inspection):
    visitor.open("/premiere-connexion/")
    visitor.press("Recevoir un lien")
    inspection.look(visitor, "first connection, nothing typed")
    visitor.type("Votre identifiant", "zoe.petit@")
    visitor.press("Recevoir un lien")
    inspection.look(visitor, "first connection, half an address")
    visitor.type("Votre identifiant", "zoe.petit@univ-exemple.fr")
    visitor.press("Recevoir un lien")
    visitor.sees("Regardez vos e-mails")
    inspection.look(visitor, "answer to a first connection")
    visitor.open("/connexion/")
    visitor.press("Se connecter")
    inspection.look(visitor, "sign in, nothing typed")
    for _time in range(SIGN_INS_BEFORE_THE_LIMIT + 1):
        visitor.type("Identifiant", "zoe.petit@univ-exemple.fr")
        visitor.type("Mot de passe", "?")
        visitor.press("Se connecter")
    visitor.reads("Trop d’essais")
    inspection.look(visitor, "sign in, too often")
    assert not inspection.findings, inspection.report()


def test_first_steps(visitor: Visitor, inspection: Inspection):
    visitor.open(link_to(pending_person()))
    inspection.look(visitor, "welcome")
    visitor.follow("Ce n’est pas moi")
    inspection.look(visitor, "not me")
    visitor.follow("C’est bien moi, revenir")
    visitor.press("Commencer l’activation")
    inspection.look(visitor, "charter")
    visitor.press("Suivant")
    inspection.look(visitor, "charter, box not ticked")
    visitor.follow("Je n’accepte pas la charte")
    inspection.look(visitor, "charter refused")
    visitor.follow("Revenir à la charte")
    accept_the_charter(visitor)
    inspection.look(visitor, "directory")
    visitor.press("Suivant")
    inspection.look(visitor, "directory, no answer")
    assert not inspection.findings, inspection.report()


def test_mailbox_and_verification(visitor: Visitor, inspection: Inspection):
    person = pending_person()
    begin_until_the_mailbox(visitor, person)
    inspection.look(visitor, "mailbox")
    visitor.tick("Rediriger mes messages vers une autre adresse")
    visitor.type("Adresse de redirection", "")
    visitor.press("Suivant")
    inspection.look(visitor, "mailbox, no address")
    visitor.type("Adresse de redirection", "zoe@gmial.com")
    visitor.press("Suivant")
    inspection.look(visitor, "mailbox, strange address")
    visitor.press("Garder l’adresse saisie")
    visitor.sees("Vérifiez votre adresse de redirection")
    inspection.look(visitor, "verification")
    visitor.follow("J’ai cliqué sur le lien, continuer")
    inspection.look(visitor, "verification, not yet confirmed")
    an_hour_passes()
    visitor.page.reload()
    visitor.press("Renvoyer l’e-mail")
    visitor.reads("Un nouvel e-mail vient de partir.")
    inspection.look(visitor, "verification, mailed again")
    Message.objects.update(status=Status.BOUNCED)
    visitor.page.reload()
    inspection.look(visitor, "verification, mail came back")
    verify_redirection(redirection_id=person.redirection.pk, target="zoe@gmial.com")
    visitor.open("/activation/verification/")
    inspection.look(visitor, "verification, confirmed")
    assert not inspection.findings, inspection.report()


def test_password_and_end(visitor: Visitor, inspection: Inspection):
    person = pending_person()
    begin_until_the_mailbox(visitor, person)
    visitor.press("Suivant")
    inspection.look(visitor, "password")
    visitor.press("Activer mon compte")
    inspection.look(visitor, "password, nothing typed")
    visitor.open("/activation/mot-de-passe/")
    visitor.type("Choisissez un mot de passe", "zoe")
    visitor.press("Afficher le mot de passe")
    inspection.look(visitor, "password, being typed")
    visitor.press("Activer mon compte")
    inspection.look(visitor, "password, too weak")
    visitor.context.clear_cookies()
    visitor.open(link_to(person))
    inspection.look(visitor, "welcome back")
    visitor.press("Reprendre l’activation")
    choose_a_password(visitor)
    visitor.sees("Votre compte est activé")
    inspection.look(visitor, "done")
    visitor.open(link_to(person))
    inspection.look(visitor, "used link")
    assert not inspection.findings, inspection.report()


def test_links_that_do_not_open_a_journey(visitor: Visitor, inspection: Inspection):
    person = pending_person()
    visitor.open(link_to(person, built_at=timezone.now() - timedelta(days=3)))
    inspection.look(visitor, "expired activation link")
    visitor.open(link_to(person))
    visitor.follow("Ce n’est pas moi")
    visitor.press("Signaler l’erreur")
    visitor.sees("Merci de nous avoir prévenus")
    inspection.look(visitor, "reported")
    visitor.open("/activation/terminee/")
    inspection.look(visitor, "sign in, after the end")
    assert not inspection.findings, inspection.report()


def test_confirming_an_address(visitor: Visitor, inspection: Inspection):
    person = active_person()
    redirection = choose_redirection(account=person, target="zoe@ailleurs.example", keep_copy=False)
    link = redirection_link.url(person, redirection_link.deadline(timezone.now()), redirection.pk)
    old = redirection_link.url(person, redirection_link.deadline(timezone.now() - timedelta(days=3)), redirection.pk)
    visitor.open(path_of(old))
    inspection.look(visitor, "expired redirection link")
    visitor.open(path_of(link))
    inspection.look(visitor, "redirection link")
    visitor.press("Confirmer cette adresse")
    visitor.sees("Adresse vérifiée")
    inspection.look(visitor, "address confirmed")
    visitor.open(path_of(link))
    visitor.sees("Cette adresse est déjà vérifiée")
    inspection.look(visitor, "address confirmed already")
    assert not inspection.findings, inspection.report()


def test_accounts(new_visitor: Callable[..., Visitor]):
    redirecting = active_person()
    choose_redirection(account=redirecting, target=f"{'a' * 60}@ailleurs.example", keep_copy=True)
    people = [redirecting, active_person(category=Category.HOSTED), active_person()]
    for person in people:
        visitor, inspection = new_visitor(), Inspection()
        visitor.open("/connexion/")
        sign_in(visitor, person)
        visitor.sees("Votre compte informatique")
        inspection.look(visitor, f"account of {person}")
        assert not inspection.findings, inspection.report()


def test_too_many_requests(visitor: Visitor, inspection: Inspection):
    for _time in range(LINKS_REFUSED_BEFORE_THE_LIMIT):
        visitor.context.request.get("/activation/abc/")
    answer = visitor.open("/activation/abc/")
    assert answer is not None
    assert answer.status == 429
    inspection.look(visitor, "too many requests")
    assert not inspection.findings, inspection.report()


def test_a_form_that_waited_too_long(visitor: Visitor, inspection: Inspection):
    visitor.open("/connexion/")
    visitor.context.clear_cookies()
    visitor.type("Identifiant", "zoe.petit@univ-exemple.fr")
    visitor.type("Mot de passe", "?")
    visitor.press("Se connecter")
    visitor.sees("La page est restée ouverte trop longtemps")
    inspection.look(visitor, "form without its cookie")
    assert not inspection.findings, inspection.report()


def look_at_public_pages(visitor: Visitor, inspection: Inspection, *, root: str) -> None:
    for name, address in PUBLIC.items():
        visitor.open(root + address)
        inspection.look(visitor, name)


def error_page(status: int) -> HttpResponse:
    """What production answers; with DEBUG the stack would show Django's own pages."""
    request, cause = RequestFactory().get("/erreur/"), Exception()
    if status == 503:
        try:
            raise OperationalError
        except OperationalError:
            return errors.server_error(request)
    if status == 500:
        return errors.server_error(request)
    handlers = {400: errors.bad_request, 403: errors.permission_denied, 404: errors.page_not_found}
    return handlers[status](request, cause)


def an_hour_passes() -> None:
    """For the mails already sent."""
    for message in Message.objects.all():
        message.created_at -= timedelta(hours=1)
        message.save(update_fields=["created_at"])


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]
