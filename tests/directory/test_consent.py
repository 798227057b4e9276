"""The public directory: a choice that is free, recorded with its words, and changed as easily as it was given (PRV-02)."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Account
from directory.models import DirectoryConsent
from directory.services import record_directory_consent
from journal.events import Event
from tests.activation.wizard.client import DIRECTORY, MAILBOX, answer, answered_until, begin, link_to
from tests.factories import pending_account
from tests.fuzz import N

pytestmark = pytest.mark.django_db

QUESTION = "Voulez-vous apparaître dans l’annuaire public\N{NO-BREAK SPACE}?"


@pytest.fixture(autouse=True)
def activate_french():
    with translation.override("fr"):
        yield


@pytest.fixture
def person() -> Account:
    person = pending_account()
    answered_until(person, DIRECTORY)
    return person


@pytest.fixture
def browser(client, person) -> Client:
    begin(client, person)
    return client


def test_nobody_is_listed_before_saying_yes(person):
    """PRV-02: no decision is not a yes, nor a no."""
    assert DirectoryConsent.objects.current(person) is None


def test_the_question_comes_without_an_answer(browser):
    """PRV-02: neither yes nor no is chosen beforehand, and the page says that refusing costs nothing."""
    page = browser.get(reverse(DIRECTORY))

    html = page.content.decode()
    assert page.context["form"].initial == {}
    assert " checked" not in html
    assert "n’a aucun effet sur vos accès" in html
    assert reverse("privacy") in html


def test_the_page_shows_what_would_be_visible_and_no_more(browser, person):
    """PRV-04."""
    preview = browser.get(reverse(DIRECTORY)).content.decode().split('class="preview"')[1].split("</section>")[0]

    assert person.full_name in preview
    assert person.institutional_address in preview
    assert person.recovery_address not in preview
    assert "1984" not in preview


@pytest.mark.parametrize(
    ("listed", "words", "event"),
    [
        ("yes", "Oui, afficher ma fiche", Event.DIRECTORY_CONSENT_GIVEN),
        ("no", "Non, ne pas afficher ma fiche", Event.DIRECTORY_CONSENT_REFUSED),
    ],
)
def test_the_decision_is_kept_with_the_words_that_were_read(browser, person, listed, words, event):
    """PRV-02: value, wording, language, time; and the event."""
    before = timezone.now()

    response = answer(browser, DIRECTORY, {"listed": listed, "understood": "on"})

    decision = DirectoryConsent.objects.get(account=person)
    assert response["Location"] == reverse(MAILBOX)
    assert decision.listed == (listed == "yes")
    assert decision.wording == f"{QUESTION} {words}"
    assert decision.language == "fr"
    assert before <= decision.decided_at <= timezone.now()
    assert person.journal.filter(event=event).count() == 1


def test_who_reads_english_is_recorded_with_the_english_words(client, person):
    client.get(f"/en{link_to(person)}")
    client.post("/en/activation/")
    client.post("/en/activation/annuaire/", {"listed": "yes", "understood": "on"})

    decision = DirectoryConsent.objects.get(account=person)
    assert decision.language == "en"
    assert decision.wording
    assert QUESTION not in decision.wording


def test_only_a_ticked_box_confirms(browser):
    """F8."""
    for value in ["", "true", "1", "0", "false", "On"]:
        response = answer(browser, DIRECTORY, {"listed": "yes", "understood": value})

        assert response.status_code == 200
        assert "Cochez la case pour confirmer votre choix" in response.content.decode()
        assert not DirectoryConsent.objects.exists()


def test_only_yes_or_no_is_an_answer(browser):
    """F8, INP-01; what was typed is not echoed unescaped."""
    for value in ["", "oui", "YES", "true", "on", "1", N["N10"]]:
        response = answer(browser, DIRECTORY, {"listed": value, "understood": "on"})

        assert response.status_code == 200
        assert "Choisissez Oui ou Non" in response.content.decode()
        assert not DirectoryConsent.objects.exists()
        if "<" in value:
            assert value not in response.content.decode()


def test_a_refused_answer_keeps_what_was_chosen(browser):
    html = answer(browser, DIRECTORY, {"listed": "no"}).content.decode()

    chosen = [tag for tag in html.split("<input")[1:] if " checked" in tag.split(">")[0]]
    assert len(chosen) == 1
    assert 'value="no"' in chosen[0]


def test_of_two_values_the_last_one_is_stored(browser, person):
    """INP-06."""
    answer(browser, DIRECTORY, {"listed": ["yes", "no"], "understood": "on"})

    assert DirectoryConsent.objects.get(account=person).listed is False


def test_every_decision_stays_and_the_last_one_counts(person):
    """PRV-02: withdrawn as easily as given."""
    for listed in (True, False, True):
        record_directory_consent(account=person, listed=listed, wording="?")

    assert list(DirectoryConsent.objects.filter(account=person).order_by("pk").values_list("listed", flat=True)) == [
        True,
        False,
        True,
    ]
    assert DirectoryConsent.objects.current(person).listed


def test_saying_the_same_again_records_nothing(person):
    first = record_directory_consent(account=person, listed=True, wording="?")
    second = record_directory_consent(account=person, listed=True, wording="other words")

    assert first == second
    assert person.journal.filter(event=Event.DIRECTORY_CONSENT_GIVEN).count() == 1


def test_two_decisions_of_one_instant_have_an_order(person):
    now = timezone.now()
    for listed in (True, False):
        DirectoryConsent.objects.create(account=person, listed=listed, wording="?", language="fr", decided_at=now)

    assert DirectoryConsent.objects.current(person).listed is False


def test_the_choice_of_one_person_is_not_anothers(person):
    record_directory_consent(account=person, listed=True, wording="?")

    assert DirectoryConsent.objects.current(pending_account()) is None
