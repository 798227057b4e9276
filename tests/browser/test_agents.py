"""A stolen password, from the attacker's login to the owner's new password (HLP-01 to HLP-06, ADM-02, ADM-04); the second
factor with real codes; a charter draft that is saved while an agent types."""

import base64
import json
import time
import urllib.request

import pytest
from django_otp.oath import TOTP
from playwright.sync_api import expect

from accounts.enums import Proof, State
from accounts.models import Session
from activation.models import Charter
from agents.roles import Role
from assistance.enums import RequestState
from assistance.models import AssistanceRequest
from journal.events import Event
from tests.agents.charter_drafts import a_draft, edit_page, saved_by_another
from tests.agents.signed_in import an_agent, code_of, enrol_device, enrolment_code_for, verified_agent
from tests.browser.visitor import ANOTHER_PASSWORD, NEEDS_BROWSER, PHONE, WITHOUT_SCRIPTS, Keyboard, link_in, mail_to
from tests.factories import active_account, events_of, reloaded
from tests.stack import SECURITY_KEY

pytestmark = NEEDS_BROWSER

STOLEN_MAIL, STOLEN_RECOVERY = "voleur@ailleurs.example", "voleur.encore@ailleurs.example"
KNOWN_TO_HR, STORY = "+33467123456", "Ce n’est pas moi qui ai changé la redirection."
FIELD, SAVED = "Texte complet, en français", "Brouillon enregistré automatiquement le"


def test_a_stolen_account_comes_back_to_its_owner(stack, new_visitor):
    """HLP-06: the attacker keeps nothing of before. The owner asks for assistance on a phone; the agent works with the
    keyboard only (A11Y-07)."""
    own = {"institutional_address": "zoe.lefebvre@univ-exemple.fr", "recovery_address": "zoe@exemple.net"}
    person = active_account(given_name="Zoé", family_name="Lefebvre", phone=KNOWN_TO_HR, **own)
    attacker, owner, agent = new_visitor(), new_visitor(**PHONE), new_visitor()
    nadia, keyboard = an_agent(), Keyboard(agent)
    device = enrol_device(nadia)

    attacker.open("/compte/redirection/")
    attacker.sign_in(person)
    attacker.type("Adresse de redirection", STOLEN_MAIL)
    attacker.press("Enregistrer")
    attacker.sees("Votre compte informatique")
    attacker.open(link_in(mail_to(stack, STOLEN_MAIL, "Confirmez la redirection")))
    attacker.press("Confirmer cette adresse")
    attacker.sees("Adresse vérifiée")
    attacker.open("/compte/adresse-de-secours/")
    attacker.type("Nouvelle adresse de secours", STOLEN_RECOVERY)
    attacker.press("Envoyer le lien de confirmation")
    attacker.reads(f"{STOLEN_RECOVERY} est à confirmer")
    link = link_in(mail_to(stack, STOLEN_RECOVERY, "Confirmez votre nouvelle adresse"))

    body = {"accounts": [person.login], "reason": "suspicious-activity", "comment": "Connexion depuis deux pays."}
    headers = {"Authorization": f"Bearer {SECURITY_KEY}", "Content-Type": "application/json"}
    call = urllib.request.Request(f"{stack.url}/api/blocages/", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(call, timeout=10) as answer:
        assert json.load(answer) == {"accounts": [{"account": person.login, "answer": "locked"}]}
    attacker.is_signed_out()
    mails_to_the_attacker = len([one for one in stack.catcher.messages if "ailleurs.example" in one["To"]])

    warning = mail_to(stack, person.recovery_address, "Votre compte informatique est bloqué")
    assert "/assistance/" in warning.text()
    owner.open("/assistance/")
    owner.tick("Mon compte est bloqué")
    for profile, shown in ((None, ""), ("Étudiant ou étudiante", "Numéro INE"), ("Personnel de l’université", "Jour")):
        if profile:
            owner.tick(profile)
        for label in ("Numéro INE", "Jour"):
            expect(owner.field(label)).to_be_visible(visible=label == shown)
    typed = {"Jour": "28", "Mois": "2", "Année": "1984", "Adresse universitaire": person.login}
    typed |= {"Adresse e-mail personnelle": "zoe.lefebvre@exemple.org", "Numéro de téléphone": "06 12"}
    for label, text in (typed | {"Décrivez le problème": STORY}).items():
        owner.type(label, text)
    owner.press("Envoyer la demande")
    owner.reads("Le numéro est trop court")
    owner.type("Numéro de téléphone", "06 12 34 56 78")
    owner.press("Envoyer la demande")
    owner.sees("Votre demande est envoyée")
    expect(owner.button("Imprimer")).to_be_visible()
    reference = AssistanceRequest.objects.get().reference
    owner.reads(reference)

    agent.open("/admin/")
    keyboard.log_in(nadia.login)
    agent.sees("Code de vérification")
    keyboard.type("Code de vérification", code_of(device))
    agent.page.keyboard.press("Enter")
    agent.sees("Espace agents")
    keyboard.follow("Voir les demandes")
    agent.sees("Demandes d’assistance")
    keyboard.follow(reference)
    agent.reads(STORY)
    keyboard.press("Prendre en charge")
    agent.reads("Vous avez pris cette demande en charge.")
    for wrong in ("28/02/1984", "1/3/1984", "29/02/1948"):
        keyboard.press(agent.page.locator("summary", has_text="Comparer une réponse au téléphone"))
        keyboard.type("Date de naissance ou numéro INE", wrong)
        keyboard.press("Comparer")
        agent.reads("Date de naissance : la réponse ne correspond pas.")
    agent.reads("Trois réponses fausses")
    expect(agent.button("Comparer")).to_have_count(0)
    keyboard.press(agent.page.locator("summary", has_text="Noter un appel"))
    keyboard.press(agent.page.get_by_label("Joint", exact=True), "Space")
    keyboard.press("Noter l’appel", "Space")
    agent.reads("Appel noté.")

    unlock = "Débloquer et prévenir la personne"
    keyboard.follow("Débloquer le compte")
    agent.sees("Débloquer le compte de Zoé Lefebvre")
    for unaccepted_proof in ("Date de naissance", "INE"):
        expect(agent.page.get_by_role("radio", name=unaccepted_proof)).to_have_count(0)
    keyboard.press(agent.field("Motif du déblocage"), "ArrowDown")
    keyboard.type("Compte rendu", "Rappelée au numéro des RH : elle décrit son bureau et son dernier contrat.")
    keyboard.press(unlock)
    agent.reads("Indiquez comment l’identité a été vérifiée")
    keyboard.choose("Rappel au numéro connu des RH")
    keyboard.press(unlock)
    agent.reads("Vérifiez chaque changement de la liste")
    assert reloaded(person).state == State.LOCKED
    boxes = agent.page.get_by_role("group", name="Changements à vérifier").get_by_role("checkbox").all()
    assert len(boxes) >= 3
    for box in boxes:
        expect(box).not_to_be_checked()
        keyboard.press(box, "Space")
    keyboard.press(unlock)
    agent.reads("Compte débloqué. E-mail envoyé à l’adresse de secours.")

    owner.open(link_in(mail_to(stack, person.recovery_address, "Votre compte informatique est débloqué")))
    owner.sees("Réactiver votre compte")
    owner.reads(person.recovery_address)
    owner.reads_nowhere("ailleurs.example")
    owner.type("Choisissez un mot de passe", ANOTHER_PASSWORD)
    owner.press("Réactiver mon compte")
    owner.sees("Votre compte est réactivé")
    owner.page.get_by_role("main").get_by_role("link", name="Se connecter").click()
    owner.sign_in(person, password=ANOTHER_PASSWORD)
    owner.sees("Votre compte informatique")
    owner.reads_nowhere("ailleurs.example")

    attacker.is_signed_out()
    attacker.sign_in(person)
    attacker.reads("Identifiant ou mot de passe incorrect")
    attacker.open(link)
    attacker.sees("Ce lien ne fonctionne pas")
    # Down to the last link of the page, and nothing in between is a trap.
    keyboard.reach(agent.page.get_by_role("contentinfo").get_by_role("link").last)

    now, request = reloaded(person), AssistanceRequest.objects.get()
    assert (now.state, now.recovery_address, now.redirection.target) == (State.ACTIVE, person.recovery_address, "")
    assert now.recovery_address_changes.get().cancelled_at
    assert Session.objects.filter(account=now).count() == 1
    assert mails_to_the_attacker == len([one for one in stack.catcher.messages if "ailleurs.example" in one["To"]])
    lock = now.locks.get()
    assert (lock.proof, lock.number_called, lock.released_by) == (Proof.CALL_BACK, KNOWN_TO_HR, nadia)
    assert (request.state, request.taken_by) == (RequestState.SOLVED, nadia)
    expected = {Event.LOCKED, Event.FACT_COMPARED, Event.REQUEST_CALLED, Event.RELEASED, Event.REDIRECTION_STOPPED}
    assert set(events_of(now)) >= {*expected, Event.RECOVERY_CHANGE_CANCELLED, Event.USER_REACTIVATED}


def code_shown_by_the_application(key: str, *, later: int = 0) -> str:
    """What an authenticator application (RFC 6238) makes of the key on the screen."""
    clock = TOTP(base64.b32decode(key.replace(" ", "").upper()), step=30)
    clock.time = time.time() + later * 30
    return f"{clock.token():06}"


@pytest.mark.parametrize("options", [{}, WITHOUT_SCRIPTS], ids=["on a large screen", "on a phone without JavaScript"])
def test_an_agent_enrols_then_signs_in_with_each_kind_of_code(options, new_visitor):
    """ADM-03, ADM-04"""
    person, visitor = an_agent(), new_visitor(**options)
    code = enrolment_code_for(person)
    visitor.open("/admin/comptes/")
    visitor.sign_in(person)
    visitor.sees("Configurer la double authentification")
    visitor.type("Code d’enrôlement", code)
    visitor.press("Suivant")
    visitor.sees("Scanner le QR code")
    qr_code = visitor.page.get_by_role("img", name="QR code")
    expect(qr_code.locator("svg")).to_be_visible()
    visitor.page.get_by_text("Vous ne pouvez pas scanner le QR code ?").click()
    key = visitor.page.locator("details .numeric").inner_text()
    visitor.type("Code de vérification", code_shown_by_the_application(key))
    visitor.press("Vérifier et terminer")
    visitor.sees("Vos codes de secours")
    codes = visitor.page.locator("ol.numeric li").all_inner_texts()
    assert len(set(codes)) == 10
    visitor.follow("C’est fait")
    visitor.sees("Espace agents")
    visitor.open("/admin/inscription/application/")
    visitor.sees("Double authentification")
    expect(qr_code).to_have_count(0)

    wrong = "000000" if code_shown_by_the_application(key) != "000000" else "111111"
    for code in (wrong, code_shown_by_the_application(key, later=1), codes[0].upper().replace("-", " ")):
        visitor.press("Se déconnecter")
        visitor.open("/admin/comptes/")
        visitor.sign_in(person)
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
    visitor, (agent, signed_in) = new_visitor(), verified_agent(Role.RESPONSABLES)
    session = {"name": "sessionid", "value": signed_in.cookies["sessionid"].value, "url": visitor.portal}
    visitor.context.add_cookies([session])
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
