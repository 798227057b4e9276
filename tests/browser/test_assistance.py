"""Asking for assistance in a real browser: only what concerns the person is asked, and nothing typed is lost."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from assistance.models import AssistanceRequest
from tests.browser.visitor import NEEDS_BROWSER, Visitor
from tests.factories import pending_account

pytestmark = NEEDS_BROWSER

PHONE = 320


@pytest.mark.parametrize("has_scripts", [True, False], ids=["with scripts", "without scripts"])
def test_assistance_is_requested_from_a_phone(has_scripts: bool, new_visitor: Callable[..., Visitor]):
    """HLP-08, PRV-04: the INE of students, the birth date of others; a mistake costs one correction."""
    person = pending_account(
        given_name="Zoé", family_name="Lambert", institutional_address="zoe.lambert@univ-exemple.fr"
    )
    visitor = new_visitor(width=PHONE, java_script_enabled=has_scripts)
    visitor.open("/compte-bloque/")
    visitor.page.get_by_role("main").get_by_role("link", name="Demander de l’assistance").click()
    visitor.sees("Demander de l’assistance")
    expect(visitor.field("Numéro INE")).to_be_hidden()
    expect(visitor.field("Jour")).to_be_hidden()

    visitor.tick("Je n’ai pas reçu le lien d’activation")
    visitor.tick("Étudiant ou étudiante")
    expect(visitor.field("Numéro INE")).to_be_visible()
    expect(visitor.field("Jour")).to_be_hidden()
    visitor.tick("Personnel de l’université")
    expect(visitor.field("Numéro INE")).to_be_hidden()
    for label, text in (("Jour", "29"), ("Mois", "2"), ("Année", "1984")):
        visitor.type(label, text)
    visitor.type("Adresse universitaire", person.login)
    visitor.type("Adresse e-mail personnelle", "zoe@exemple.net")
    visitor.type("Numéro de téléphone", "06 12")
    visitor.type("Décrivez le problème", "Rien reçu.\nMême dans les indésirables.")
    visitor.press("Envoyer la demande")

    visitor.reads("Le numéro est trop court")
    visitor.type("Numéro de téléphone", "06 12 34 56 78")
    visitor.press("Envoyer la demande")

    visitor.sees("Votre demande est envoyée")
    request = AssistanceRequest.objects.get()
    visitor.reads(request.reference)
    assert request.description == "Rien reçu.\nMême dans les indésirables."
    assert (request.account, request.ine_typed, str(request.birth_date_typed)) == (person, "", "1984-02-29")
    expect(visitor.button("Imprimer")).to_be_visible(visible=has_scripts)
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
