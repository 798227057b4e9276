"""A stolen password, from the attacker's login to the owner's new password (HLP-01 to HLP-06, ADM-02, ADM-04)."""

import json
import urllib.request
from collections.abc import Callable
from copy import copy

import pytest
from playwright.sync_api import expect

from accounts.enums import Proof, State
from accounts.models import Account, Session
from assistance.enums import RequestState, StepKind
from assistance.models import AssistanceRequest
from devtools.mailcatcher import CaughtMessage
from journal.events import Event
from mailrouting.models import Redirection
from tests.browser.agent_steps import arrive
from tests.browser.visitor import NEEDS_BROWSER, Visitor, link_in, sign_in
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.stack import SECURITY_KEY, Stack, wait_until

pytestmark = NEEDS_BROWSER

STOLEN, NEW_PASSWORD = A_GOOD_PASSWORD, "tuile-oignon-harpe-velours"
ATTACKER_ADDRESS, ATTACKER_RECOVERY = "voleur@ailleurs.example", "voleur.encore@ailleurs.example"
PERSONAL = "zoe.lefebvre@exemple.org"
KNOWN_TO_HR, TYPED = "+33467123456", "06 12 34 56 78"


@pytest.fixture
def owner_account() -> Account:
    return active_account(
        given_name="Zoé",
        family_name="Lefebvre",
        institutional_address="zoe.lefebvre@univ-exemple.fr",
        recovery_address="zoe@exemple.net",
        phone=KNOWN_TO_HR,
    )


def mail(stack: Stack, address: str, subject: str) -> CaughtMessage:

    def found() -> list[CaughtMessage]:
        return [one for one in stack.catcher.messages if one["To"] == address and one["Subject"].startswith(subject)]

    wait_until(lambda: bool(found()), stack.log("worker"), seconds=20)
    [only] = found()
    return only


def take_over(attacker: Visitor, account: Account, stack: Stack) -> str:
    attacker.open("/compte/redirection/")
    sign_in(attacker, account, password=STOLEN)
    attacker.type("Adresse de redirection", ATTACKER_ADDRESS)
    attacker.press("Enregistrer")
    attacker.sees("Votre compte informatique")
    question = link_in(mail(stack, ATTACKER_ADDRESS, "Confirmez la redirection"))
    attacker.open(question)
    attacker.press("Confirmer cette adresse")
    attacker.sees("Adresse vérifiée")
    attacker.open("/compte/adresse-de-secours/")
    attacker.type("Nouvelle adresse de secours", ATTACKER_RECOVERY)
    attacker.press("Envoyer le lien de confirmation")
    attacker.reads(f"{ATTACKER_RECOVERY} attend votre clic")
    assert Redirection.objects.get(account=account).verified_at
    return link_in(mail(stack, ATTACKER_RECOVERY, "Confirmez votre nouvelle adresse"))


def lock_through_api(stack: Stack, account: Account) -> None:
    body = {"accounts": [account.login], "reason": "suspicious-activity", "comment": "Connexion depuis deux pays."}
    headers = {"Authorization": f"Bearer {SECURITY_KEY}", "Content-Type": "application/json"}
    call = urllib.request.Request(f"{stack.url}/api/blocages/", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(call, timeout=10) as answer:
        assert json.load(answer) == {"accounts": [{"account": account.login, "answer": "locked"}]}


def assert_signed_out(attacker: Visitor) -> None:
    attacker.open("/compte/")
    attacker.sees("Se connecter")
    expect(attacker.page.get_by_text("Lefebvre")).to_have_count(0)


def request_assistance(owner: Visitor, account: Account, stack: Stack) -> str:
    warning = mail(stack, account.recovery_address, "Votre compte informatique est bloqué")
    assert "/assistance/" in warning.text()
    owner.open("/assistance/")
    owner.tick("Mon compte est bloqué")
    owner.tick("Personnel de l’université")
    for label, text in (("Jour", "28"), ("Mois", "2"), ("Année", "1984")):
        owner.type(label, text)
    owner.type("Adresse universitaire", account.login)
    owner.type("Adresse e-mail personnelle", PERSONAL)
    owner.type("Numéro de téléphone", TYPED)
    owner.type("Décrivez le problème", "Je n’ai plus accès à rien. Ce n’est pas moi qui ai changé la redirection.")
    owner.press("Envoyer la demande")
    owner.sees("Votre demande est envoyée")
    reference = AssistanceRequest.objects.get().reference
    owner.reads(reference)
    return reference


def open_request(agent: Visitor, reference: str) -> None:
    agent.follow("Voir les demandes")
    agent.sees("Demandes d’assistance")
    agent.follow(reference)
    agent.sees(f"Demande {reference}")
    agent.reads("Ce n’est pas moi qui ai changé la redirection.")


def compare(agent: Visitor, answer: str) -> None:
    agent.page.get_by_text("Comparer une réponse au téléphone").click()
    agent.type("Date de naissance ou numéro INE", answer)
    agent.press("Comparer")


def answer_wrong_birth_dates(agent: Visitor, second_tab: Visitor) -> None:
    second_tab.page.get_by_text("Comparer une réponse au téléphone").click()
    second_tab.type("Date de naissance ou numéro INE", "29/02/1984")
    for answer in ("28/02/1984", "1/3/1984", "29/02/1948"):
        expect(agent.page.get_by_text("Trois réponses fausses")).to_have_count(0)
        compare(agent, answer)
        agent.reads("Date de naissance : la réponse ne concorde pas.")
    agent.reads("Trois réponses fausses")
    expect(agent.button("Comparer")).to_have_count(0)
    second_tab.press("Comparer")
    second_tab.reads("Trois réponses fausses")
    expect(second_tab.page.get_by_text("la réponse concorde")).to_have_count(0)


def record_call(agent: Visitor) -> None:
    agent.page.get_by_text("Noter un appel").click()
    agent.tick("Joint")
    agent.page.get_by_role("group").filter(has_text="Noter un appel").get_by_label("Note").fill(
        "Rappelée au numéro des RH."
    )
    agent.press("Noter l’appel")
    agent.reads("Appel noté.")


def unlock(agent: Visitor, account: Account) -> None:
    agent.follow("Débloquer le compte")
    agent.sees(f"Débloquer le compte de {account.full_name}")
    for unaccepted_proof in ("Date de naissance", "INE"):
        expect(agent.page.get_by_role("radio", name=unaccepted_proof)).to_have_count(0)
    agent.field("Motif du déblocage").select_option(label="Fin d’activité suspecte")
    agent.type("Compte rendu", "Rappelée au numéro des RH : elle décrit son bureau et son dernier contrat.")
    agent.press("Débloquer et prévenir la personne")
    agent.reads("Indiquez comment l’identité a été vérifiée")
    assert Account.objects.get(pk=account.pk).state == State.LOCKED

    agent.tick("Rappel au numéro connu des RH")
    agent.press("Débloquer et prévenir la personne")
    agent.reads("Vérifiez chaque changement de la liste")
    assert Account.objects.get(pk=account.pk).state == State.LOCKED
    boxes = agent.page.get_by_role("group", name="Changements à vérifier").get_by_role("checkbox")
    assert boxes.count() >= 3
    for box in boxes.all():
        expect(box).not_to_be_checked()
        box.check()
    agent.press("Débloquer et prévenir la personne")
    agent.reads("Compte débloqué. E-mail envoyé à l’adresse de secours.")


def reactivate(owner: Visitor, account: Account, stack: Stack) -> None:
    owner.open(link_in(mail(stack, account.recovery_address, "Votre compte informatique est débloqué")))
    owner.sees("Réactiver votre compte")
    owner.reads(account.recovery_address)
    expect(owner.page.locator(".settings-list > div").filter(has_text="Redirection")).to_contain_text("Aucune")
    expect(owner.page.get_by_text("ailleurs.example")).to_have_count(0)
    owner.type("Choisissez un mot de passe", NEW_PASSWORD)
    owner.press("Réactiver mon compte")
    owner.sees("Votre compte est réactivé")
    owner.follow("Se connecter")
    sign_in(owner, account, password=NEW_PASSWORD)
    owner.sees("Votre compte informatique")
    expect(owner.page.get_by_text("ailleurs.example")).to_have_count(0)


def assert_attacker_lost_access(attacker: Visitor, account: Account, link: str) -> None:
    """HLP-06: neither password nor session, neither redirection nor recovery address, nor a link of before."""
    assert_signed_out(attacker)
    sign_in(attacker, account, password=STOLEN)
    attacker.reads("L’identifiant ou le mot de passe ne correspond pas")
    attacker.open(link)
    attacker.sees("Ce lien ne fonctionne pas")
    now = Account.objects.get(pk=account.pk)
    assert now.state == State.ACTIVE
    assert now.recovery_address == account.recovery_address
    assert not now.check_password(STOLEN)
    assert Redirection.objects.get(account=now).target == ""
    [change] = now.recovery_address_changes.all()
    assert change.cancelled_at
    assert not change.confirmed_at
    assert Session.objects.filter(account=now).count() == 1


def close_request(agent: Visitor) -> None:
    agent.page.get_by_text("Clore la demande").click()
    agent.tick("Résolue")
    agent.press("Clore")
    agent.reads("Demande close.")


def journal_lines(agent: Visitor, account: Account) -> list[tuple[str, str]]:
    agent.follow("Journal")
    agent.sees("Journal")
    agent.type("Identifiant", account.login)
    agent.press("Filtrer")
    lines: list[tuple[str, str]] = []
    while True:
        rows = agent.page.locator("tbody tr")
        for row in rows.all():
            lines.append((row.locator("th").inner_text().splitlines()[0], row.locator("td").nth(2).inner_text()))
        older = agent.page.get_by_role("link", name="Plus anciens")
        if not older.count():
            return lines[::-1]
        older.click()
        agent.page.wait_for_url("**avant=**")


def missing_from(lines: list[tuple[str, str]], expected: list[tuple[Event, str]]) -> list[tuple[Event, str]]:
    """Those of `expected` that do not come one after the other among the lines."""
    rest = iter(lines)
    return [(event, who) for event, who in expected if not any(line == (str(event.label), who) for line in rest)]


def test_a_stolen_account_comes_back_to_its_owner(
    owner_account: Account, stack: Stack, new_visitor: Callable[..., Visitor]
):
    nadia = active_account(given_name="Nadia", family_name="Cherif")
    paul = active_account(given_name="Paul", family_name="Girard")
    attacker, owner, agent, colleague = new_visitor(), new_visitor(width=390), new_visitor(), new_visitor()
    arrive(agent, stack, nadia)
    arrive(colleague, stack, paul)

    link = take_over(attacker, owner_account, stack)
    lock_through_api(stack, owner_account)
    assert_signed_out(attacker)
    mails_to_the_attacker = len([one for one in stack.catcher.messages if "ailleurs.example" in one["To"]])

    reference = request_assistance(owner, owner_account, stack)
    open_request(agent, reference)
    open_request(colleague, reference)
    agent.press("Prendre en charge")
    agent.reads("Vous avez pris cette demande en charge.")
    colleague.press("Prendre en charge")
    colleague.reads("N. Cherif a pris cette demande")
    expect(colleague.button("Prendre en charge")).to_have_count(0)
    assert AssistanceRequest.objects.get().taken_by == nadia

    second_tab = second_tab_of(agent)
    answer_wrong_birth_dates(agent, second_tab)
    record_call(agent)
    unlock(agent, owner_account)
    reactivate(owner, owner_account, stack)
    assert_attacker_lost_access(attacker, owner_account, link)
    close_request(agent)

    assert mails_to_the_attacker == len([one for one in stack.catcher.messages if "ailleurs.example" in one["To"]])
    lock = owner_account.locks.get()
    assert (lock.proof, lock.number_called, lock.released_by) == (Proof.CALL_BACK, KNOWN_TO_HR, nadia)
    assert lock.locked_by_system == "siem"
    request = AssistanceRequest.objects.get()
    assert request.state == RequestState.SOLVED
    assert list(request.steps.order_by("pk").values_list("kind", flat=True)) == [
        StepKind.TAKEN,
        *[StepKind.FACT_MISMATCHED] * 3,
        StepKind.CALL,
        StepKind.SOLVED,
    ]
    person, she, system, unknown = "La personne", "Agent Nadia Cherif", "Automatique", "Lien reçu par e-mail ou inconnu"
    lines = journal_lines(agent, owner_account)
    assert not missing_from(
        lines,
        [
            (Event.SIGNED_IN, person),
            (Event.REDIRECTION_CHOSEN, person),
            (Event.REDIRECTION_VERIFIED, unknown),
            (Event.RECOVERY_CHANGE_REQUESTED, person),
            (Event.LOCKED, system),
            (Event.ASSISTANCE_REQUESTED, unknown),
            (Event.REQUEST_OPENED, she),
            (Event.REQUEST_OPENED, "Agent Paul Girard"),
            (Event.REQUEST_TAKEN, she),
            (Event.FACT_COMPARED, she),
            (Event.FACT_COMPARED, she),
            (Event.FACT_COMPARED, she),
            (Event.REQUEST_CALLED, she),
            (Event.ACCOUNT_OPENED, she),
            (Event.RELEASED, she),
            (Event.RECOVERY_CHANGE_CANCELLED, she),
            (Event.REDIRECTION_STOPPED, she),
            (Event.USER_REACTIVATED, person),
            (Event.SIGNED_IN, person),
            (Event.SIGN_IN_FAILED, unknown),
            (Event.REQUEST_CLOSED, she),
        ],
    ), lines


def second_tab_of(agent: Visitor) -> Visitor:
    tab = copy(agent)
    tab.page = agent.context.new_page()
    tab.open(agent.page.url)
    return tab
