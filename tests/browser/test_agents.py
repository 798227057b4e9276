"""Agents in a browser: the second factor with real codes (ADM-02 to ADM-04), a charter draft saved while it is typed."""

import base64
import time

import pytest
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import expect

from accounts.models import Session
from activation.models import Charter
from agents.roles import Role
from journal.events import Event
from tests.agents.charter_drafts import a_draft, edit_page, saved_by_another
from tests.agents.signed_in import an_agent, enrolment_code_for
from tests.browser.visitor import NEEDS_BROWSER, WITHOUT_SCRIPTS, agent_in, sign_in
from tests.factories import active_account, events_of

pytestmark = NEEDS_BROWSER

FIELD, SAVED = "Texte complet, en français", "Brouillon enregistré automatiquement le"


def code_shown_by_the_application(key: str, *, later: int = 0) -> str:
    """What an authenticator application (RFC 6238) makes of the key on the screen."""
    clock = TOTP(base64.b32decode(key.replace(" ", "").upper()), step=30)
    clock.time = time.time() + later * 30
    return f"{clock.token():06}"


@pytest.mark.parametrize("options", [{}, WITHOUT_SCRIPTS], ids=["on a large screen", "on a phone without JavaScript"])
def test_an_agent_enrols_then_signs_in_with_each_kind_of_code(options, new_visitor):
    """ADM-03, ADM-04"""
    person, visitor = an_agent(), new_visitor(**options)
    visitor.open("/admin/comptes/")
    sign_in(visitor, person)
    visitor.sees("Inscrire votre application de vérification")
    visitor.type("Code d’inscription", enrolment_code_for(person))
    visitor.press("Suivant")
    visitor.sees("Lire le QR code")
    qr_code = visitor.page.get_by_role("img", name="QR code")
    expect(qr_code.locator("svg")).to_be_visible()
    visitor.page.get_by_text("Vous ne pouvez pas lire l’image ?").click()
    key = visitor.page.locator("details .numeric").inner_text()
    visitor.type("Code de vérification", code_shown_by_the_application(key))
    visitor.press("Vérifier et terminer")
    visitor.sees("Vos codes de secours")
    codes = visitor.page.locator("ol.numeric li").all_inner_texts()
    assert len(set(codes)) == 10
    visitor.follow("C’est fait")
    visitor.sees("Espace agents")
    visitor.open("/admin/inscription/application/")
    visitor.sees("Mon application de vérification")
    expect(qr_code).to_have_count(0)

    wrong = "000000" if code_shown_by_the_application(key) != "000000" else "111111"
    for code in (wrong, code_shown_by_the_application(key, later=1), codes[0].upper().replace("-", " ")):
        if code != wrong:
            TOTPDevice.objects.filter(user=person).update(throttling_failure_count=0)
        visitor.press("Se déconnecter")
        visitor.open("/admin/comptes/")
        sign_in(visitor, person)
        visitor.sees("Code de vérification")
        if " " in code:
            visitor.follow("Utiliser un code de secours")
        visitor.type("Code de secours" if " " in code else "Code de vérification", code)
        visitor.press("Entrer")
        if code == wrong:
            visitor.reads("Le code ne correspond pas ou a déjà servi")
        else:
            visitor.sees("Comptes")
    visitor.reads("Codes de secours encore bons : 9 sur 10.")
    expected = {Event.SECOND_FACTOR_ENROLLED, Event.SECOND_FACTOR_GIVEN, Event.SECOND_FACTOR_REFUSED}
    assert set(events_of(person)) >= {*expected, Event.BACKUP_CODE_USED}


def test_a_charter_draft_is_saved_while_it_is_typed_until_a_conflict_or_the_end_of_the_session(new_visitor):
    """PRV-01"""
    visitor = new_visitor()
    agent = agent_in(visitor, Role.RESPONSABLES)
    visitor.open("/admin/charte/nouvelle/")
    visitor.type("Nom de la version", "2031-01")
    visitor.type(FIELD, "Première phrase.")
    visitor.reads_aloud(SAVED)
    draft = Charter.objects.get(version="2031-01")
    assert draft.text_fr == "Première phrase."
    expect(visitor.page).to_have_url(f"{visitor.portal}{edit_page(draft)}")
    # The button saves what was typed since, as the same agent.
    visitor.type(FIELD, "Deuxième phrase.")
    visitor.press("Enregistrer et voir l’aperçu")
    visitor.sees("Aperçu de la charte 2031-01")
    assert Charter.objects.get(pk=draft.pk).text_fr == "Deuxième phrase."

    draft = a_draft(agent)
    visitor.open(edit_page(draft))
    saved_by_another(draft, active_account(), text_fr="Autre texte.")
    visitor.type(FIELD, "Ma phrase.")
    visitor.reads_aloud("Un autre agent a enregistré le brouillon.")
    assert Charter.objects.get(pk=draft.pk).text_fr == "Autre texte."
    visitor.press("Enregistrer et voir l’aperçu")
    visitor.reads("Ce qui est enregistré maintenant")
    expect(visitor.field(FIELD)).to_have_value("Ma phrase.")

    visitor.open(edit_page(draft))
    visitor.type(FIELD, "Avant la fin de la session.")
    visitor.reads_aloud(SAVED)
    Session.objects.filter(account=agent).delete()
    visitor.type(FIELD, "Après.")
    visitor.reads_aloud("Votre session est terminée")
    assert Charter.objects.get(pk=draft.pk).text_fr == "Avant la fin de la session."
