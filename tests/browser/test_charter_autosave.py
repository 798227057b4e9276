"""The charter draft is saved while an agent types (PRV-01), with a session that ends and with another agent."""

from collections.abc import Callable

from playwright.sync_api import expect

from accounts.models import Session
from activation.models import Charter
from agents.roles import Role
from tests.agents.charter_drafts import a_draft, edit_page, saved_by_another
from tests.browser.agent_steps import arrive
from tests.browser.visitor import NEEDS_BROWSER, Visitor
from tests.factories import active_account
from tests.stack import Stack

pytestmark = NEEDS_BROWSER

FIELD = "Texte complet, en français"
SAVED = "Brouillon enregistré automatiquement le"


def test_a_draft_is_saved_while_it_is_typed(new_visitor: Callable[..., Visitor], stack: Stack):
    agent, visitor = active_account(), new_visitor()
    arrive(visitor, stack, agent, Role.RESPONSABLES)
    visitor.open("/admin/charte/nouvelle/")
    visitor.type("Nom de la version", "2031-01")
    visitor.type(FIELD, "Première phrase.")
    visitor.reads_aloud(SAVED)
    draft = Charter.objects.get(version="2031-01")
    assert draft.text_fr == "Première phrase."
    expect(visitor.page).to_have_url(f"{stack.url}{edit_page(draft)}")

    # The button saves what was typed since, as the same agent.
    visitor.type(FIELD, "Deuxième phrase.")
    visitor.press("Enregistrer et voir l’aperçu")
    visitor.sees("Aperçu de la charte 2031-01")
    assert Charter.objects.get(pk=draft.pk).text_fr == "Deuxième phrase."


def test_autosave_stops_at_a_conflict_and_at_the_end_of_the_session(new_visitor: Callable[..., Visitor], stack: Stack):
    agent, visitor = active_account(), new_visitor()
    arrive(visitor, stack, agent, Role.RESPONSABLES)
    draft = a_draft(agent)
    visitor.open(edit_page(draft))
    saved_by_another(draft, active_account(), text_fr="Autre texte.")
    visitor.type(FIELD, "Ma phrase.")
    visitor.reads_aloud("Un autre agent a enregistré le brouillon.")
    assert Charter.objects.get(pk=draft.pk).text_fr == "Autre texte."
    visitor.press("Enregistrer et voir l’aperçu")
    visitor.reads("Ce qui est enregistré maintenant")
    assert visitor.field(FIELD).input_value() == "Ma phrase."

    visitor.open(edit_page(draft))
    visitor.type(FIELD, "Avant la fin de la session.")
    visitor.reads_aloud(SAVED)
    Session.objects.filter(account=agent).delete()
    visitor.type(FIELD, "Après.")
    visitor.reads_aloud("Votre session est terminée")
    assert Charter.objects.get(pk=draft.pk).text_fr == "Avant la fin de la session."
