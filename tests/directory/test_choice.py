"""Being in the public directory or not, from the account: taken back as easily as given (PRV-02)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from directory.models import DirectoryConsent
from directory.services import change_directory_consent, record_directory_consent
from directory.views import DirectoryChoiceView
from journal.events import Event
from outbox.models import Message
from tests.factories import active_account
from tests.fuzz import N
from tests.signing_in import log_in

pytestmark = pytest.mark.django_db

QUESTION = "Voulez-vous apparaître dans l’annuaire public\N{NO-BREAK SPACE}?"
YES, NO = {"listed": "yes", "understood": "on"}, {"listed": "no", "understood": "on"}


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand")


@pytest.fixture
def browser(person) -> Client:
    return log_in(Client(), person)


def page(browser: Client) -> str:
    return browser.get(reverse("account-directory")).content.decode()


def decide(browser: Client, answer: dict[str, str]) -> str:
    """Answer, and read the page one lands on."""
    return browser.post(reverse("account-directory"), answer, follow=True).content.decode()


def finds(name: str) -> bool:
    return "mailto:" in Client().get(reverse("directory"), {"q": name}).content.decode()


def test_saying_yes_lists_and_saying_no_withdraws_at_once(browser, person):
    """PRV-02: one page, the same clicks, no password; seen by everybody with the next search."""
    assert not finds("durand")

    assert "Enregistré\N{NO-BREAK SPACE}: vous figurez dans l’annuaire public." in decide(browser, YES)
    assert finds("durand")

    assert "Enregistré\N{NO-BREAK SPACE}: vous ne figurez pas dans l’annuaire public." in decide(browser, NO)
    assert not finds("durand")

    assert [one.listed for one in DirectoryConsent.objects.filter(account=person).order_by("pk")] == [
        False,
        True,
        False,
    ]
    assert not Message.objects.filter(person=person).exists()


def test_each_decision_is_recorded_with_its_words_and_where_it_came_from(browser, person):
    """PRV-02: value, wording, language, time, channel."""
    decide(browser, YES)

    decision = DirectoryConsent.objects.current(person)
    assert decision.wording == f"{QUESTION} Oui, afficher ma fiche"
    assert decision.language == "fr"
    entry = person.journal.get(event=Event.DIRECTORY_CONSENT_GIVEN)
    assert (entry.actor, entry.source) == (person, "web")

    decide(browser, NO)
    assert DirectoryConsent.objects.current(person).wording == f"{QUESTION} Non, ne pas afficher ma fiche"


def test_the_account_page_follows(browser):
    assert "Vous y figurez" in decide(browser, YES)
    assert "Vous n’y figurez pas" in decide(browser, NO)


def test_the_page_shows_what_holds_and_since_when(browser, person):
    for listed, chosen in [(True, "yes"), (False, "no")]:
        record_directory_consent(account=person, listed=listed, wording="?")

        html = page(browser)

        checked = [tag for tag in html.split("<input")[1:] if " checked" in tag.split(">")[0]]
        assert len(checked) == 1
        assert f'value="{chosen}"' in checked[0]
        assert ("Vous y figurez" in html) == listed
        assert "depuis le" in html


def test_who_never_answered_finds_no_answer_chosen(browser, person):
    """PRV-02: off, and no box ticked beforehand."""
    DirectoryConsent.objects.filter(account=person).delete()

    html = page(browser)

    assert " checked" not in html
    assert "Vous n’y figurez pas" in html
    assert "depuis le" not in html


def test_the_preview_is_the_card_that_everybody_sees(browser, person):
    """PRV-04"""
    preview = page(browser).split('class="preview"')[1].split("</section>")[0]

    assert person.full_name in preview
    assert person.institutional_address in preview
    assert person.recovery_address not in preview


def test_saying_the_same_again_records_nothing(browser, person):
    for _ in range(3):
        decide(browser, YES)

    assert DirectoryConsent.objects.filter(account=person, listed=True).count() == 1
    assert person.journal.filter(event=Event.DIRECTORY_CONSENT_GIVEN).count() == 1


def test_only_yes_or_no_is_an_answer(browser, person):
    """INP-01"""
    for value in ["", "oui", "YES", "true", "1", N["N10"]]:
        html = decide(browser, {"listed": value, "understood": "on"})

        assert "Choisissez Oui ou Non" in html
        assert DirectoryConsent.objects.filter(account=person).count() == 1
        if "<" in value:
            assert value not in html


def test_the_choice_has_to_be_confirmed_both_ways(browser, person):
    """PRV-02: neither direction is easier."""
    for listed in ("yes", "no"):
        assert "Cochez la case pour confirmer votre choix" in decide(browser, {"listed": listed})
    assert DirectoryConsent.objects.filter(account=person).count() == 1


def test_of_two_tabs_the_last_word_counts(browser, person):
    other_tab = Client()
    other_tab.cookies = browser.cookies
    page(browser)
    page(other_tab)

    decide(browser, YES)
    decide(other_tab, NO)

    assert DirectoryConsent.objects.current(person).listed is False


def test_a_new_charter_does_not_stand_in_the_way():
    """PRV-02: withdrawing is a right."""
    assert DirectoryChoiceView.open_without_charter


def test_nobody_decides_for_somebody_else(browser, person):
    other = active_account()

    decide(browser, {**YES, "account": str(other.pk), "user": str(other.pk)})

    assert DirectoryConsent.objects.current(other).listed is False
    assert DirectoryConsent.objects.current(person).listed is True


def test_a_stranger_is_asked_to_sign_in(person):
    answer = Client().post(reverse("account-directory"), YES)

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("login"))


@pytest.mark.django_db(transaction=True)
def test_of_a_double_click_one_is_recorded(person):
    """Two requests at the same moment."""

    def say_yes(_: int) -> None:
        try:
            change_directory_consent(account=person, listed=True, wording="?")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(say_yes, range(8)))

    assert DirectoryConsent.objects.filter(account=person, listed=True).count() == 1
    assert person.journal.filter(event=Event.DIRECTORY_CONSENT_GIVEN).count() == 1
