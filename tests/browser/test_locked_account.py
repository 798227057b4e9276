"""A stolen password, from the thief's first click to the owner's new one: two people, two agents and a security system
on the portal as it runs (issue 4; HLP-01 to HLP-06, ADM-02, ADM-04)."""

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
OF_THE_THIEF, ANOTHER_OF_THE_THIEF = "voleur@ailleurs.example", "voleur.encore@ailleurs.example"
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
    """The mail to that address with that subject, once it is there."""

    def found() -> list[CaughtMessage]:
        return [one for one in stack.catcher.messages if one["To"] == address and one["Subject"].startswith(subject)]

    wait_until(lambda: bool(found()), stack.log("worker"), seconds=20)
    [only] = found()
    return only


def steals(thief: Visitor, account: Account, stack: Stack) -> str:
    """Sign in, forward the owner's mail, and ask for another recovery address; the link to confirm that one."""
    thief.open("/compte/redirection/")
    sign_in(thief, account, password=STOLEN)
    thief.type("Adresse de redirection", OF_THE_THIEF)
    thief.press("Enregistrer")
    thief.sees("Votre compte informatique")
    question = link_in(mail(stack, OF_THE_THIEF, "Confirmez la redirection"))
    thief.open(question)
    thief.press("Confirmer cette adresse")
    thief.sees("Adresse vérifiée")
    thief.open("/compte/adresse-de-secours/")
    thief.type("Nouvelle adresse de secours", ANOTHER_OF_THE_THIEF)
    thief.press("Envoyer le lien de confirmation")
    thief.reads(f"{ANOTHER_OF_THE_THIEF} attend votre clic")
    assert Redirection.objects.get(account=account).verified_at
    return link_in(mail(stack, ANOTHER_OF_THE_THIEF, "Confirmez votre nouvelle adresse"))


def security_system_locks(stack: Stack, account: Account) -> None:
    body = {"accounts": [account.login], "reason": "suspicious-activity", "comment": "Connexion depuis deux pays."}
    headers = {"Authorization": f"Bearer {SECURITY_KEY}", "Content-Type": "application/json"}
    call = urllib.request.Request(f"{stack.url}/api/blocages/", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(call, timeout=10) as answer:
        assert json.load(answer) == {"accounts": [{"account": account.login, "answer": "locked"}]}


def is_out(thief: Visitor) -> None:
    """The next click of an open session is anybody's."""
    thief.open("/compte/")
    thief.sees("Se connecter")
    expect(thief.page.get_by_text("Lefebvre")).to_have_count(0)


def asks_for_help(owner: Visitor, account: Account, stack: Stack) -> str:
    """Read the mail about the lock, follow it to the form, and send that; the reference of the request."""
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


def finds_the_request(agent: Visitor, reference: str) -> None:
    """From the first page to the request, through the queue."""
    agent.follow("Voir les demandes")
    agent.sees("Demandes d’assistance")
    agent.follow(reference)
    agent.sees(f"Demande {reference}")
    agent.reads("Ce n’est pas moi qui ai changé la redirection.")


def compares(agent: Visitor, answer: str) -> None:
    """What the person on the telephone says their birth date is."""
    agent.page.get_by_text("Comparer une réponse au téléphone").click()
    agent.type("Date de naissance ou numéro INE", answer)
    agent.press("Comparer")


def gets_the_birth_date_wrong(agent: Visitor, second_tab: Visitor) -> None:
    """Three misses, and not even the right one counts any more; the form of a tab opened before knows it too."""
    second_tab.page.get_by_text("Comparer une réponse au téléphone").click()
    second_tab.type("Date de naissance ou numéro INE", "29/02/1984")
    for answer in ("28/02/1984", "1/3/1984", "29/02/1948"):
        expect(agent.page.get_by_text("Trois réponses fausses")).to_have_count(0)
        compares(agent, answer)
        agent.reads("Date de naissance : la réponse ne concorde pas.")
    agent.reads("Trois réponses fausses")
    expect(agent.button("Comparer")).to_have_count(0)
    second_tab.press("Comparer")
    second_tab.reads("Trois réponses fausses")
    expect(second_tab.page.get_by_text("la réponse concorde")).to_have_count(0)


def notes_the_call(agent: Visitor) -> None:
    agent.page.get_by_text("Noter un appel").click()
    agent.tick("Joint")
    agent.page.get_by_role("group").filter(has_text="Noter un appel").get_by_label("Note").fill(
        "Rappelée au numéro des RH."
    )
    agent.press("Noter l’appel")
    agent.reads("Appel noté.")


def releases(agent: Visitor, account: Account) -> None:
    """Refused without a proof, refused while a change is not ticked, done then."""
    agent.follow("Débloquer le compte")
    agent.sees(f"Débloquer le compte de {account.full_name}")
    for nothing_to_the_matter in ("Date de naissance", "INE"):
        expect(agent.page.get_by_role("radio", name=nothing_to_the_matter)).to_have_count(0)
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


def reactivates(owner: Visitor, account: Account, stack: Stack) -> None:
    """Open the link, see that nothing of the thief is left, choose another password, sign in."""
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


def nothing_of_the_thief_is_left(thief: Visitor, account: Account, link: str) -> None:
    """HLP-06: neither password nor session, neither redirection nor recovery address, nor a link of before."""
    is_out(thief)
    sign_in(thief, account, password=STOLEN)
    thief.reads("L’identifiant ou le mot de passe ne correspond pas")
    thief.open(link)
    thief.sees("Ce lien ne fonctionne pas")
    now = Account.objects.get(pk=account.pk)
    assert now.state == State.ACTIVE
    assert now.recovery_address == account.recovery_address
    assert not now.check_password(STOLEN)
    assert Redirection.objects.get(account=now).target == ""
    [change] = now.recovery_address_changes.all()
    assert change.cancelled_at
    assert not change.confirmed_at
    assert Session.objects.filter(account=now).count() == 1


def closes(agent: Visitor) -> None:
    agent.page.get_by_text("Clore la demande").click()
    agent.tick("Résolue")
    agent.press("Clore")
    agent.reads("Demande close.")


def reads_the_journal(agent: Visitor, account: Account) -> list[tuple[str, str]]:
    """What happened to the account and by whom, the first first, as the page tells it."""
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


def in_this_order(lines: list[tuple[str, str]], expected: list[tuple[Event, str]]) -> list[tuple[Event, str]]:
    """Those of `expected` that do not come one after the other among the lines."""
    rest = iter(lines)
    return [(event, who) for event, who in expected if not any(line == (str(event.label), who) for line in rest)]


def test_a_stolen_account_comes_back_to_its_owner(
    owner_account: Account, stack: Stack, new_visitor: Callable[..., Visitor]
):
    nadia = active_account(given_name="Nadia", family_name="Cherif")
    paul = active_account(given_name="Paul", family_name="Girard")
    thief, owner, agent, colleague = new_visitor(), new_visitor(width=390), new_visitor(), new_visitor()
    arrive(agent, stack, nadia)
    arrive(colleague, stack, paul)

    link = steals(thief, owner_account, stack)
    security_system_locks(stack, owner_account)
    is_out(thief)
    mails_to_the_thief = len([one for one in stack.catcher.messages if "ailleurs.example" in one["To"]])

    reference = asks_for_help(owner, owner_account, stack)
    finds_the_request(agent, reference)
    finds_the_request(colleague, reference)
    agent.press("Prendre en charge")
    agent.reads("Vous avez pris cette demande en charge.")
    colleague.press("Prendre en charge")
    colleague.reads("N. Cherif a pris cette demande")
    expect(colleague.button("Prendre en charge")).to_have_count(0)
    assert AssistanceRequest.objects.get().taken_by == nadia

    second_tab = another_tab_of(agent)
    gets_the_birth_date_wrong(agent, second_tab)
    notes_the_call(agent)
    releases(agent, owner_account)
    reactivates(owner, owner_account, stack)
    nothing_of_the_thief_is_left(thief, owner_account, link)
    closes(agent)

    assert mails_to_the_thief == len([one for one in stack.catcher.messages if "ailleurs.example" in one["To"]])
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
    lines = reads_the_journal(agent, owner_account)
    assert not in_this_order(
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


def another_tab_of(agent: Visitor) -> Visitor:
    """The same page once more, in the same browser."""
    tab = copy(agent)
    tab.page = agent.context.new_page()
    tab.open(agent.page.url)
    return tab
