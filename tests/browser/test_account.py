"""The account's pages on several devices with the mails they send."""

import json

import pytest
from playwright.sync_api import expect

from accounts.enums import LockReason, State
from accounts.models import Account, Session
from devtools.mailcatcher import CaughtMessage
from journal.events import Event
from tests.browser.visitor import ANOTHER_PASSWORD, NEEDS_BROWSER, PHONE, WITHOUT_SCRIPTS, Visitor, link_in, sign_in
from tests.factories import A_GOOD_PASSWORD, active_account, events_of, reloaded

pytestmark = NEEDS_BROWSER

ELSEWHERE = "zoe@ailleurs.example"


@pytest.fixture
def person() -> Account:
    return active_account(
        given_name="Zoé", family_name="Lefebvre", institutional_address="zoe.lefebvre@univ-exemple.fr"
    )


def enter(visitor: Visitor, person: Account, address: str = "/compte/") -> None:
    visitor.open(address)
    sign_in(visitor, person)
    visitor.page.wait_for_url(f"**{address}")


def see_signed_out(visitor: Visitor) -> None:
    visitor.follow("Historique")
    visitor.sees("Se connecter")
    visitor.reads_nowhere("Lefebvre")
    expect(visitor.button("Se déconnecter")).to_have_count(0)


def mail_to(address: str, mails: list[CaughtMessage]) -> CaughtMessage:
    [found] = [mail for mail in mails if mail["To"] == address]
    return found


def test_a_password_changed_on_a_phone_without_javascript_signs_the_other_devices_out(person, stack, new_visitor):
    """PWD-06, SES-05."""
    phone, office = new_visitor(**WITHOUT_SCRIPTS), new_visitor()
    enter(office, person)
    enter(phone, person, "/compte/mot-de-passe/")
    phone.type("Mot de passe actuel", A_GOOD_PASSWORD)
    phone.type_new_password("Nouveau mot de passe", ANOTHER_PASSWORD)
    phone.press("Changer le mot de passe")
    phone.sees("Votre compte informatique")
    phone.reads("Mot de passe changé. Vos autres sessions ont été fermées.")
    see_signed_out(office)
    sign_in(office, person)
    office.reads("Identifiant ou mot de passe incorrect")
    sign_in(office, person, password=ANOTHER_PASSWORD)
    office.sees("Historique")
    notices = stack.catcher.wait_for(2)
    assert {mail["To"] for mail in notices} == {person.recovery_address, person.institutional_address}
    for mail in notices:
        assert mail["Subject"] == "Votre mot de passe a été changé"
        assert ANOTHER_PASSWORD not in mail.as_string()
        assert "/ce-n-est-pas-moi/" in link_in(mail)


def test_a_forgotten_password_is_chosen_anew_on_another_device(person, stack, new_visitor):
    """PWD-06, TOK-06, TOK-09."""
    desk, phone, forgotten_tab = new_visitor(), new_visitor(**PHONE), new_visitor()
    enter(forgotten_tab, person)
    desk.open("/connexion/")
    desk.follow("Mot de passe oublié ?")
    desk.sees("Mot de passe oublié")
    desk.type("Votre identifiant", person.login)
    desk.press("Recevoir un lien")
    desk.sees("Regardez vos e-mails")
    [mail] = stack.catcher.wait_for(1)
    assert mail["To"] == person.recovery_address
    phone.open(link_in(mail))
    phone.sees("Choisir un nouveau mot de passe")
    assert link_in(mail) not in phone.page.url
    phone.type_new_password("Choisissez un mot de passe", ANOTHER_PASSWORD)
    phone.press("Enregistrer le mot de passe")
    phone.sees("Votre mot de passe est changé")
    expect(phone.button("Se déconnecter")).to_have_count(0)
    see_signed_out(forgotten_tab)
    phone.page.get_by_role("main").get_by_role("link", name="Se connecter").click()
    sign_in(phone, person, password=ANOTHER_PASSWORD)
    phone.sees("Votre compte informatique")
    desk.open(link_in(mail))
    desk.sees("Ce lien a déjà servi")
    expect(desk.page.locator("input[type=password]")).to_have_count(0)
    assert len(stack.catcher.wait_for(3)) == 3


def test_a_new_recovery_address_is_confirmed_and_the_old_one_can_lock_the_account(person, stack, new_visitor):
    """HLP-07."""
    desk, reader, owner = new_visitor(), new_visitor(), new_visitor(**WITHOUT_SCRIPTS)
    earlier = person.recovery_address
    enter(desk, person, "/compte/adresse-de-secours/")
    desk.type("Nouvelle adresse de secours", ELSEWHERE)
    desk.press("Envoyer le lien de confirmation")
    desk.reads(f"{ELSEWHERE} est à confirmer")
    [question] = stack.catcher.wait_for(1)
    assert question["To"] == ELSEWHERE
    reader.open(link_in(question))
    reader.sees("Confirmer cette adresse de secours")
    assert reloaded(person).recovery_address == earlier
    reader.press("Confirmer cette adresse")
    reader.sees("Adresse de secours confirmée")
    desk.open("/compte/")
    desk.reads(ELSEWHERE)
    desk.reads_nowhere(earlier)

    _question, *notices = stack.catcher.wait_for(3)
    owner.open(link_in(mail_to(earlier, notices)))
    owner.sees("Ce n’était pas vous ?")
    assert not reloaded(person).is_locked
    owner.press("Ce n’était pas moi : bloquer le compte")
    owner.sees("Le compte est bloqué")
    see_signed_out(desk)
    sign_in(desk, person)
    desk.sees("Votre compte est bloqué : que faire ?")
    person = reloaded(person)
    assert (person.recovery_address, person.state) == (earlier, State.LOCKED)
    assert person.locks.get().reason == LockReason.SUSPICIOUS_ACTIVITY
    assert not Session.objects.filter(account=person).exists()
    reader.open(link_in(question))
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
    question = mail_to(ELSEWHERE, stack.catcher.wait_for(3))
    reader.open(link_in(question))
    reader.press("Confirmer cette adresse")
    reader.sees("Adresse vérifiée")
    reader.reads_nowhere("Lefebvre")
    phone.page.reload()
    line = phone.page.locator(".settings-list > div").filter(has_text=ELSEWHERE)
    expect(line.get_by_text("Vérifiée")).to_be_visible()
    phone.reads_nowhere("En attente de vérification")

    phone.follow("Supprimer la redirection")
    phone.sees("Supprimer la redirection ?")
    assert reloaded(person).redirection.is_wanted
    phone.press("Supprimer la redirection")
    phone.reads("Vos messages n’arrivent plus que dans votre boîte universitaire.")
    phone.reads_nowhere(ELSEWHERE)
    reader.open(link_in(question))
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
