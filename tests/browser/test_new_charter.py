"""Signing in after a new charter was published, in a real browser (PRV-01, A11Y-01)."""

from collections.abc import Callable

from tests.browser.inspection import Inspection
from tests.browser.visitor import NEEDS_BROWSER, Visitor, sign_in
from tests.factories import active_account
from tests.pages import publish_another_charter

pytestmark = NEEDS_BROWSER


def test_a_new_charter_stands_between_the_sign_in_and_the_account(new_visitor: Callable[..., Visitor]):
    person, visitor, inspection = active_account(), new_visitor(), Inspection()
    publish_another_charter()
    visitor.open("/connexion/")
    sign_in(visitor, person)
    visitor.sees("La charte a changé")
    inspection.look(visitor, "new charter")
    visitor.follow("Je n’accepte pas la charte")
    inspection.look(visitor, "new charter not accepted")
    visitor.follow("Revenir à la charte")
    visitor.press("Accepter la charte")
    inspection.look(visitor, "new charter, box not ticked")
    visitor.tick("J’ai lu la charte et je m’engage à la respecter")
    visitor.press("Accepter la charte")
    visitor.sees("Votre compte informatique")
    visitor.open("/compte/charte/2026-09/")
    visitor.sees("La charte que vous avez acceptée")
    inspection.look(visitor, "charter accepted before")
    assert not inspection.findings, inspection.report()


def test_a_new_charter_can_be_accepted_without_javascript(new_visitor: Callable[..., Visitor]):
    person, visitor = active_account(), new_visitor(width=320, java_script_enabled=False)
    publish_another_charter()
    visitor.open("/connexion/")
    sign_in(visitor, person)
    visitor.tick("J’ai lu la charte et je m’engage à la respecter")
    visitor.press("Accepter la charte")
    visitor.sees("Votre compte informatique")
