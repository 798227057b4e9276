"""The account's pages on several devices with the mails they send."""

import json

import pytest
from playwright.sync_api import expect

from accounts.models import Account
from journal.events import Event
from tests.browser.visitor import ANOTHER_PASSWORD, NEEDS_BROWSER, PHONE, WITHOUT_SCRIPTS, Visitor, link_in, mail_to
from tests.factories import A_GOOD_PASSWORD, active_account, events_of, reloaded

pytestmark = NEEDS_BROWSER

ELSEWHERE = "zoe@ailleurs.example"


@pytest.fixture
def person() -> Account:
    return active_account(family_name="Lefebvre")


def enter(visitor: Visitor, person: Account, address: str = "/compte/") -> None:
    visitor.open(address)
    visitor.sign_in(person)
    visitor.page.wait_for_url(f"**{address}")


def test_a_password_changed_on_a_phone_without_javascript_then_forgotten_signs_the_other_devices_out(
    person, stack, new_visitor
):
    """PWD-06, SES-05, TOK-06, TOK-09."""
    phone, office, desk = new_visitor(**WITHOUT_SCRIPTS), new_visitor(), new_visitor(**PHONE)
    enter(office, person)
    enter(phone, person, "/compte/mot-de-passe/")
    phone.type("Mot de passe actuel", A_GOOD_PASSWORD)
    phone.type_new_password("Nouveau mot de passe", ANOTHER_PASSWORD)
    phone.press("Changer le mot de passe")
    phone.reads("Mot de passe changé. Vos autres sessions ont été fermées.")
    office.is_signed_out()
    office.sign_in(person)
    office.reads("Identifiant ou mot de passe incorrect")
    assert "/ce-n-est-pas-moi/" in link_in(mail_to(stack, person.login, "Votre mot de passe a été changé"))

    office.follow("Mot de passe oublié ?")
    office.sees("Mot de passe oublié")
    office.type("Votre identifiant", person.login)
    office.press("Recevoir un lien")
    office.sees("Regardez vos e-mails")
    link = link_in(mail_to(stack, person.recovery_address, "Choisissez un nouveau mot de passe"))
    desk.open(link)
    desk.sees("Choisir un nouveau mot de passe")
    assert link not in desk.page.url
    desk.type_new_password("Choisissez un mot de passe")
    desk.press("Enregistrer le mot de passe")
    desk.sees("Votre mot de passe est changé")
    expect(desk.button("Se déconnecter")).to_have_count(0)
    phone.is_signed_out()
    desk.page.get_by_role("main").get_by_role("link", name="Se connecter").click()
    desk.sign_in(person)
    desk.sees("Votre compte informatique")
    office.open(link)
    office.sees("Ce lien a déjà servi")
    expect(office.page.locator("input[type=password]")).to_have_count(0)


def test_a_new_recovery_address_is_confirmed_and_the_old_one_can_lock_the_account(person, stack, new_visitor):
    """HLP-07."""
    desk, reader, owner = new_visitor(), new_visitor(), new_visitor(**WITHOUT_SCRIPTS)
    earlier = person.recovery_address
    enter(desk, person, "/compte/adresse-de-secours/")
    desk.type("Nouvelle adresse de secours", ELSEWHERE)
    desk.press("Envoyer le lien de confirmation")
    desk.reads(f"{ELSEWHERE} est à confirmer")
    question = link_in(mail_to(stack, ELSEWHERE))
    reader.open(question)
    reader.sees("Confirmer cette adresse de secours")
    assert reloaded(person).recovery_address == earlier
    reader.press("Confirmer cette adresse")
    reader.sees("Adresse de secours confirmée")
    desk.open("/compte/")
    desk.reads(ELSEWHERE)
    desk.reads_nowhere(earlier)

    owner.open(link_in(mail_to(stack, earlier)))
    owner.sees("Ce n’était pas vous ?")
    assert not reloaded(person).is_locked
    owner.press("Ce n’était pas moi : bloquer le compte")
    owner.sees("Le compte est bloqué")
    desk.is_signed_out()
    desk.sign_in(person)
    desk.sees("Votre compte est bloqué : que faire ?")
    assert reloaded(person).recovery_address == earlier
    reader.open(question)
    reader.sees("Ce lien de confirmation n’est plus valable")


def test_forwarding_is_asked_for_confirmed_elsewhere_and_stopped(person, stack, new_visitor):
    """FWD-01, FWD-04."""
    phone, reader = new_visitor(**PHONE), new_visitor()
    enter(phone, person)
    phone.follow("Ajouter la redirection")
    phone.type("Adresse de redirection", ELSEWHERE)
    phone.press("Enregistrer")
    phone.sees("Votre compte informatique")
    phone.reads("En attente de vérification")
    question = link_in(mail_to(stack, ELSEWHERE))
    reader.open(question)
    reader.press("Confirmer cette adresse")
    reader.sees("Adresse vérifiée")
    reader.reads_nowhere("Lefebvre")
    phone.page.reload()
    line = phone.page.locator(".settings-list > div").filter(has_text=ELSEWHERE)
    expect(line.get_by_text("Vérifiée")).to_be_visible()

    phone.follow("Supprimer la redirection")
    phone.sees("Supprimer la redirection ?")
    assert reloaded(person).redirection.is_wanted
    phone.press("Supprimer la redirection")
    phone.reads("Vos messages n’arrivent plus que dans votre boîte universitaire.")
    phone.reads_nowhere(ELSEWHERE)
    reader.open(question)
    reader.sees("Ce lien ne fonctionne pas")


def test_exported_data_does_not_stay_in_the_browser(person, new_visitor, tmp_path):
    """PRV-07, HDR-04."""
    visitor = new_visitor()
    enter(visitor, person, "/compte/donnees/")
    visitor.reads("29 février 1984")
    with visitor.page.expect_download() as arriving:
        visitor.press("Télécharger mes données")
    assert arriving.value.suggested_filename.endswith(".json")
    arriving.value.save_as(tmp_path / "copy.json")
    text = (tmp_path / "copy.json").read_text()
    assert isinstance(json.loads(text), dict)
    assert person.recovery_address in text
    assert "argon2" not in text
    assert events_of(person).count(Event.DATA_EXPORTED) == 1
    visitor.press("Se déconnecter")
    visitor.page.wait_for_url(f"{visitor.portal}/")
    visitor.page.go_back()
    visitor.sees("Se connecter")
    visitor.reads_nowhere("29 février 1984")
