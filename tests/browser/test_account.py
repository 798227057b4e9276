"""The account's pages on several devices, with the mails they send."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override
from playwright.sync_api import expect

from accounts.enums import LockReason, State
from accounts.models import Account, Session
from devtools.mailcatcher import CaughtMessage
from journal.events import Event
from mailrouting.models import Redirection
from tests.browser.visitor import NEEDS_BROWSER, Visitor, link_in, sign_in
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.stack import Stack

pytestmark = NEEDS_BROWSER

PHONE = {"width": 390, "is_mobile": True, "has_touch": True}
WITHOUT_SCRIPTS = {**PHONE, "java_script_enabled": False}
ANOTHER_PASSWORD = "tuile-oignon-harpe-velours"
ELSEWHERE = "zoe@ailleurs.example"

NewVisitor = Callable[..., Visitor]


@pytest.fixture
def person() -> Account:
    return active_account(
        given_name="Zoé", family_name="Lefebvre", institutional_address="zoe.lefebvre@univ-exemple.fr"
    )


def enter(visitor: Visitor, person: Account, address: str = "/compte/", *, password: str = A_GOOD_PASSWORD) -> None:
    visitor.open(address)
    sign_in(visitor, person, password=password)
    visitor.page.wait_for_url(f"**{address}")


def is_signed_out(visitor: Visitor) -> None:
    visitor.follow("Historique")
    visitor.sees("Se connecter")
    expect(visitor.page.get_by_text("Lefebvre")).to_have_count(0)
    expect(visitor.button("Se déconnecter")).to_have_count(0)


def choose(visitor: Visitor, label: str, password: str) -> None:
    visitor.type(label, password)
    if not visitor.has_scripts:
        visitor.type("Ressaisissez le mot de passe", password)


def to(address: str, mails: list[CaughtMessage]) -> CaughtMessage:
    [found] = [mail for mail in mails if mail["To"] == address]
    return found


def test_a_password_changed_on_a_phone_without_javascript_signs_the_other_devices_out(
    person: Account, stack: Stack, new_visitor: NewVisitor
):
    """PWD-06, SES-05."""
    phone, office = new_visitor(**WITHOUT_SCRIPTS), new_visitor()
    enter(office, person)
    enter(phone, person, "/compte/mot-de-passe/")
    phone.type("Mot de passe actuel", A_GOOD_PASSWORD)
    choose(phone, "Nouveau mot de passe", ANOTHER_PASSWORD)
    phone.press("Changer le mot de passe")
    phone.sees("Votre compte informatique")
    phone.reads("Mot de passe changé. Vos autres sessions ont été fermées.")

    is_signed_out(office)
    sign_in(office, person)
    office.reads("L’identifiant ou le mot de passe ne correspond pas")
    sign_in(office, person, password=ANOTHER_PASSWORD)
    office.sees("Historique")

    notices = stack.catcher.wait_for(2)
    assert {mail["To"] for mail in notices} == {person.recovery_address, person.institutional_address}
    for mail in notices:
        assert mail["Subject"] == "Votre mot de passe a été changé"
        assert ANOTHER_PASSWORD not in mail.as_string()
        assert "/ce-n-est-pas-moi/" in link_in(mail)


def test_a_forgotten_password_is_chosen_anew_on_another_device(person: Account, stack: Stack, new_visitor: NewVisitor):
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

    link = link_in(mail)
    phone.open(link)
    phone.sees("Choisir un nouveau mot de passe")
    assert link not in phone.page.url
    choose(phone, "Choisissez un mot de passe", ANOTHER_PASSWORD)
    phone.press("Enregistrer le mot de passe")
    phone.sees("Votre mot de passe est changé")
    expect(phone.button("Se déconnecter")).to_have_count(0)
    is_signed_out(forgotten_tab)
    phone.follow("Se connecter")
    sign_in(phone, person, password=ANOTHER_PASSWORD)
    phone.sees("Votre compte informatique")

    desk.open(link)
    desk.sees("Ce lien a déjà servi")
    assert desk.page.locator("input[type=password]").count() == 0
    assert len(stack.catcher.wait_for(3)) == 3


def test_a_new_recovery_address_is_confirmed_and_the_old_one_can_lock_the_account(
    person: Account, stack: Stack, new_visitor: NewVisitor
):
    """HLP-07."""
    desk, reader, owner = new_visitor(), new_visitor(), new_visitor(**WITHOUT_SCRIPTS)
    earlier = person.recovery_address
    enter(desk, person, "/compte/adresse-de-secours/")
    desk.type("Nouvelle adresse de secours", ELSEWHERE)
    desk.press("Envoyer le lien de confirmation")
    desk.reads(f"{ELSEWHERE} attend votre clic")
    [question] = stack.catcher.wait_for(1)
    assert question["To"] == ELSEWHERE
    reader.open(link_in(question))
    reader.sees("Confirmer cette adresse de secours")
    person.refresh_from_db()
    assert person.recovery_address == earlier
    reader.press("Confirmer cette adresse")
    reader.sees("Adresse de secours confirmée")
    desk.open("/compte/")
    desk.reads(ELSEWHERE)
    expect(desk.page.get_by_text(earlier)).to_have_count(0)

    _question, *notices = stack.catcher.wait_for(3)
    warning = to(earlier, notices)
    owner.open(link_in(warning))
    owner.sees("Ce n’était pas vous ?")
    assert not Account.objects.get(pk=person.pk).is_locked
    owner.press("Ce n’était pas moi : bloquer le compte")
    owner.sees("Le compte est bloqué")
    is_signed_out(desk)
    sign_in(desk, person)
    desk.sees("Votre compte est bloqué : que faire ?")

    person = Account.objects.get(pk=person.pk)
    assert (person.recovery_address, person.state) == (earlier, State.LOCKED)
    assert person.locks.get().reason == LockReason.SUSPICIOUS_ACTIVITY
    assert not Session.objects.filter(account=person).exists()
    reader.open(link_in(question))
    reader.sees("Ce lien de confirmation n’est plus valable")


def test_forwarding_is_asked_for_confirmed_elsewhere_and_stopped(
    person: Account, stack: Stack, new_visitor: NewVisitor
):
    """FWD-01, FWD-04."""
    phone, reader = new_visitor(**PHONE), new_visitor()
    enter(phone, person)
    phone.follow("Ajouter la redirection")
    phone.type("Adresse de redirection", ELSEWHERE)
    phone.press("Enregistrer")
    phone.sees("Votre compte informatique")
    phone.reads("En attente de vérification")
    asked = stack.catcher.wait_for(3)
    question = to(ELSEWHERE, asked)
    reader.open(link_in(question))
    reader.press("Confirmer cette adresse")
    reader.sees("Adresse vérifiée")
    expect(reader.page.get_by_text("Lefebvre")).to_have_count(0)
    phone.page.reload()
    line = phone.page.locator(".settings-list > div").filter(has_text=ELSEWHERE)
    expect(line.get_by_text("Vérifiée")).to_be_visible()
    expect(phone.page.get_by_text("En attente de vérification")).to_have_count(0)

    phone.follow("Supprimer la redirection")
    phone.sees("Supprimer la redirection ?")
    assert Redirection.objects.get(account=person).is_wanted
    phone.press("Supprimer la redirection")
    phone.sees("Votre compte informatique")
    phone.reads("Vos messages n’arrivent plus que dans votre boîte universitaire.")
    expect(phone.page.get_by_text(ELSEWHERE)).to_have_count(0)
    reader.open(link_in(question))
    reader.sees("Ce lien ne fonctionne pas")


def test_the_directory_lists_a_person_only_with_consent(person: Account, new_visitor: NewVisitor):
    """PRV-02: a visitor who mistypes the name."""
    phone, searcher = new_visitor(**WITHOUT_SCRIPTS), new_visitor(**WITHOUT_SCRIPTS)
    enter(phone, person)
    for answer, lines in [("Oui, afficher ma fiche", 1), ("Non, ne pas afficher ma fiche", 0)]:
        phone.follow("Modifier le choix pour l’annuaire public")
        phone.tick(answer)
        phone.tick("Je confirme mon choix")
        phone.press("Enregistrer")
        phone.sees("Votre compte informatique")
        searcher.open("/annuaire/")
        searcher.type("Nom ou prénom", "lefevbre")
        searcher.press("Rechercher")
        searcher.reads("résultat")
        expect(searcher.page.get_by_role("link", name=person.institutional_address)).to_have_count(lines)
        expect(searcher.page.get_by_text(person.recovery_address)).to_have_count(0)


def test_sessions_are_closed_from_another_device(person: Account, new_visitor: NewVisitor):
    """SES-05."""
    desk, phone = new_visitor(), new_visitor(**PHONE)
    enter(phone, person)
    enter(desk, person, "/compte/sessions/")
    expect(desk.page.locator(".settings-list > div")).to_have_count(2)
    desk.page.get_by_role("button", name="Fermer la session").click()
    desk.reads("La session est fermée.")
    expect(desk.page.locator(".settings-list > div")).to_have_count(1)
    is_signed_out(phone)
    sign_in(phone, person)
    phone.sees("Historique")
    desk.page.reload()
    desk.press("Fermer les autres sessions")
    desk.reads("1 session fermée.")
    phone.page.reload()
    phone.sees("Se connecter")
    desk.press("Me déconnecter partout")
    desk.sees("Se connecter")
    desk.reads("Vous êtes déconnecté partout.")
    assert not Session.objects.filter(account=person).exists()


def test_pages_and_mails_follow_the_chosen_language(person: Account, stack: Stack, new_visitor: NewVisitor):
    visitor = new_visitor()
    enter(visitor, person)
    visitor.follow("Modifier la langue")
    visitor.tick("English")
    visitor.press("Enregistrer")
    visitor.page.wait_for_url("**/en/compte/")
    expect(visitor.page.locator("html")).to_have_attribute("lang", "en")
    with override("en"):
        visitor.sees(_("Votre compte informatique"))
        visitor.reads(_("Nos pages et nos e-mails seront en français."))
        visitor.follow(f"{_('Changer')} {_('le mot de passe')}")
        visitor.type(_("Mot de passe actuel"), A_GOOD_PASSWORD)
        visitor.type(_("Nouveau mot de passe"), ANOTHER_PASSWORD)
        visitor.press(_("Changer le mot de passe"))
        visitor.sees(_("Votre compte informatique"))
        visitor.press(_("Se déconnecter"))
        notices = stack.catcher.wait_for(2)
        assert {mail["Subject"] for mail in notices} == {_("Votre mot de passe a été changé")}
        assert all("/en/ce-n-est-pas-moi/" in link_in(mail) for mail in notices)
        visitor.open("/en/connexion/")
        sign_in(visitor, person, password=ANOTHER_PASSWORD)
        visitor.page.wait_for_url("**/en/compte/")


def test_exported_data_does_not_stay_in_the_browser(person: Account, new_visitor: NewVisitor, tmp_path: Path):
    """PRV-07, HDR-04."""
    visitor = new_visitor()
    enter(visitor, person, "/compte/donnees/")
    visitor.reads("29 février 1984")
    with visitor.page.expect_download() as arriving:
        visitor.press("Télécharger mes données")
    assert arriving.value.suggested_filename.endswith(".json")
    arriving.value.save_as(tmp_path / "copy.json")
    text = (tmp_path / "copy.json").read_text()
    assert person.recovery_address in text
    assert "argon2" not in text
    assert isinstance(json.loads(text), dict)
    assert person.journal.filter(event=Event.DATA_EXPORTED).count() == 1

    visitor.press("Se déconnecter")
    visitor.page.wait_for_url(f"{visitor.portal}/")
    visitor.page.go_back()
    visitor.sees("Se connecter")
    expect(visitor.page.get_by_text("29 février 1984")).to_have_count(0)


def test_the_session_can_be_extended_two_minutes_before_its_end(person: Account, new_visitor: NewVisitor):
    """A11Y-06, SES-04: once; then the session has ended on the server."""
    visitor = new_visitor()
    visitor.page.clock.install()
    enter(visitor, person)
    visitor.sees("Votre compte informatique")
    question, clock = visitor.page.get_by_text("Êtes-vous toujours là ?"), visitor.page.clock
    for is_open in (True, False):
        clock.fast_forward((settings.SESSION_IDLE_SECONDS - 200) * 1000)
        expect(question).to_be_hidden()
        clock.fast_forward(85_000)
        expect(question).to_be_visible()
        if not is_open:
            Session.objects.filter(account=person).delete()
        with visitor.page.expect_response("**/compte/continuer/") as answer:
            visitor.press("Continuer")
        assert (answer.value.status == 204) == is_open
        if is_open:
            expect(question).to_be_hidden()
    visitor.reads("La session est terminée.")
    expect(visitor.button("Continuer")).to_be_hidden()
