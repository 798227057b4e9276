"""Being in the public directory or not, from the account: withdrawn as easily as given (PRV-02)."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from directory.models import DirectoryConsent
from directory.services import change_directory_consent
from directory.views import DirectoryChoiceView
from journal.events import Event
from outbox.models import Message
from tests.concurrency import together
from tests.factories import active_account
from tests.signing_in import log_in

pytestmark = pytest.mark.django_db

PAGE = "account-directory"
QUESTION = "Voulez-vous apparaître dans l’annuaire public\N{NO-BREAK SPACE}?"
YES, NO = {"listed": "yes", "understood": "on"}, {"listed": "no", "understood": "on"}


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand")


@pytest.fixture
def browser(person) -> Client:
    return log_in(Client(), person)


def page(browser: Client) -> str:
    return browser.get(reverse(PAGE)).content.decode()


def decide(browser: Client, answer: dict[str, str]) -> str:
    return browser.post(reverse(PAGE), answer, follow=True).content.decode()


def finds(name: str) -> bool:
    return "mailto:" in Client().get(reverse("directory"), {"q": name}).content.decode()


def test_yes_lists_and_no_withdraws_at_once(browser, person):
    """PRV-02: one page, the same clicks, no password; recorded with wording, language and source."""
    assert not finds("durand")
    for answer, listed, words, event in (
        (YES, True, "Oui, afficher ma fiche", Event.DIRECTORY_CONSENT_GIVEN),
        (NO, False, "Non, ne pas afficher ma fiche", Event.DIRECTORY_CONSENT_REFUSED),
    ):
        for _ in range(2):
            account_page = decide(browser, answer)
        result = "vous figurez" if listed else "vous ne figurez pas"
        assert f"Enregistré\N{NO-BREAK SPACE}: {result} dans l’annuaire public." in account_page
        assert (finds("durand"), "Vous y figurez" in account_page) == (listed, listed)
        decision = DirectoryConsent.objects.current(person)
        assert (decision.listed, decision.wording, decision.language) == (listed, f"{QUESTION} {words}", "fr")
        entry = person.journal.filter(event=event).latest("pk")
        assert (entry.actor, entry.source) == (person, "web")
        html = page(browser)
        [checked] = [tag for tag in html.split("<input")[1:] if " checked" in tag.split(">")[0]]
        assert f'value="{answer["listed"]}"' in checked
        assert ("Vous y figurez" in html, "depuis le" in html) == (listed, True)
    assert DirectoryConsent.objects.filter(account=person).count() == 3
    assert not Message.objects.filter(person=person).exists()


def test_without_an_answer_none_is_chosen(browser, person):
    """PRV-02, PRV-04: no box ticked beforehand; the preview is the public card."""
    DirectoryConsent.objects.filter(account=person).delete()
    html = page(browser)
    assert (" checked" in html, "Vous n’y figurez pas" in html, "depuis le" in html) == (False, True, False)
    preview = html.split('class="preview"')[1].split("</section>")[0]
    facts = (person.full_name, person.institutional_address, person.recovery_address)
    assert [fact in preview for fact in facts] == [True, True, False]


def test_an_incomplete_answer_or_another_account_changes_nothing(browser, person):
    """INP-06, PRV-02: a form left open in another tab still decides; a new charter does not stand in the way."""
    other = active_account()
    assert "Choisissez Oui ou Non" in decide(browser, {"listed": "oui", "understood": "on"})
    assert "Cochez la case pour confirmer votre choix" in decide(browser, {"listed": "yes"})
    assert DirectoryConsent.objects.filter(account=person).count() == 1
    decide(browser, {**YES, "account": str(other.pk), "user": str(other.pk)})
    assert DirectoryConsent.objects.current(other).listed is False
    assert DirectoryConsent.objects.current(person).listed is True
    assert DirectoryChoiceView.open_without_charter


@pytest.mark.django_db(transaction=True)
def test_a_double_click_is_recorded_once(person):
    together(*[lambda: change_directory_consent(account=person, listed=True, wording="?")] * 4)
    assert DirectoryConsent.objects.filter(account=person, listed=True).count() == 1
    assert person.journal.filter(event=Event.DIRECTORY_CONSENT_GIVEN).count() == 1
