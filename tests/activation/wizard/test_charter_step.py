"""Step 2: the charter is read on the page, accepted by ticking a box, and the proof stays (PRV-01)."""

import hashlib

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from activation.models import Charter, CharterAcceptance
from journal.events import Event
from tests.activation.wizard.client import (
    CHARTER,
    DIRECTORY,
    PASSWORD,
    answer,
    answered_until,
    begin,
    charter_answer,
    everything_about,
    link_to,
)
from tests.factories import pending_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Account:
    return pending_account()


@pytest.fixture
def browser(client, person) -> Client:
    begin(client, person)
    return client


def publish_another_version() -> Charter:
    return Charter.objects.create(
        version="nouvelle",
        text_fr="# Charte\n\n## Une autre règle\n\nNouveau texte.",
        text_en="# Charter\n\n## Another rule\n\nNew text.",
        key_points_fr="Un point.",
        key_points_en="One point.",
        published_at=timezone.now(),
    )


def test_the_whole_text_stands_on_the_page_and_the_box_is_not_ticked(browser):
    charter = Charter.objects.in_force()

    page = browser.get(reverse(CHARTER))

    html = page.content.decode()
    assert html.count("<h3>") >= 12
    assert all(point.replace("'", "&#x27;") in html for point in charter.key_points)
    assert not page.context["form"]["accepted"].value()
    assert " checked" not in html
    assert "<iframe" not in html


def test_the_acceptance_says_who_which_text_when_and_from_where(person):
    """PRV-01: version, SHA-256 of the text that was shown, UTC time, client."""
    browser = Client(REMOTE_ADDR="198.51.100.23")
    begin(browser, person)
    before = timezone.now()

    answer(browser, CHARTER)

    charter, proof = Charter.objects.in_force(), CharterAcceptance.objects.get(account=person)
    assert proof.charter == charter
    assert proof.language == "fr"
    assert proof.text_sha256 == hashlib.sha256(charter.text_fr.encode()).hexdigest()
    assert before <= proof.accepted_at <= timezone.now()
    assert proof.client_address == "198.51.100.23"
    assert Account.objects.get(pk=person.pk).charter_accepted_at == proof.accepted_at
    assert person.journal.get(event=Event.CHARTER_ACCEPTED).details == {"version": charter.version}


def test_who_reads_english_accepts_the_english_text(person, client):
    """PRV-01."""
    client.get(f"/en{link_to(person)}")
    client.post("/en/activation/")
    page = client.get("/en/activation/charte/").content.decode()
    client.post("/en/activation/charte/", charter_answer())

    charter, proof = Charter.objects.in_force(), CharterAcceptance.objects.get(account=person)
    assert '<html lang="en">' in page
    assert proof.language == "en"
    assert proof.text_sha256 == hashlib.sha256(charter.text_en.encode()).hexdigest()


def test_only_a_ticked_box_accepts(browser, person):
    """F8: nothing but what a browser sends for a ticked box is a yes."""
    for value in ["true", "1", "On", "ON", "yes", "0", "false", ""]:
        response = answer(browser, CHARTER, {**charter_answer(), "accepted": value})

        assert response.status_code == 200
        assert "Cochez la case pour accepter la charte" in response.content.decode()
        assert not CharterAcceptance.objects.exists()


def test_a_missing_box_accepts_nothing(browser):
    assert answer(browser, CHARTER, {"version": charter_answer()["version"]}).status_code == 200
    assert answer(browser, CHARTER, {}).status_code == 200
    assert not CharterAcceptance.objects.exists()


@pytest.mark.parametrize(("values", "accepted"), [(["on", "0"], False), (["0", "on"], True)])
def test_of_two_values_the_last_one_counts(browser, values, accepted):
    """INP-06: the value validated is the value stored."""
    answer(browser, CHARTER, {**charter_answer(), "accepted": values})

    assert CharterAcceptance.objects.exists() is accepted


def test_a_version_published_while_reading_is_shown_before_it_is_accepted(browser, person):
    """PRV-01: nobody accepts a text that was not on their page; the box comes back empty."""
    browser.get(reverse(CHARTER))
    answer_of_the_old_page = charter_answer()
    publish_another_version()

    response = answer(browser, CHARTER, answer_of_the_old_page)

    html = response.content.decode()
    assert response.status_code == 200
    assert "La charte a changé pendant votre lecture" in html
    assert "Nouveau texte." in html
    assert 'value="nouvelle"' in html
    assert " checked" not in html
    assert not CharterAcceptance.objects.exists()
    assert answer(browser, CHARTER, {"version": "nouvelle", "accepted": "on"})["Location"] == reverse(DIRECTORY)
    assert CharterAcceptance.objects.get(account=person).charter.version == "nouvelle"


def test_a_made_up_version_accepts_nothing(browser):
    for version in ["", "2019-01", "x" * 5000, "\x00", "' OR 1=1 --"]:
        response = answer(browser, CHARTER, {"version": version, "accepted": "on"})

        assert response.status_code == 200
        assert "2026-09" in response.content.decode()
        assert not CharterAcceptance.objects.exists()


def test_a_version_published_later_in_the_journey_is_asked_too(person, client):
    """PRV-01: the proof of the first one stays."""
    answered_until(person, PASSWORD)
    begin(client, person)
    publish_another_version()

    response = answer(client, PASSWORD)

    assert response["Location"] == reverse(CHARTER)
    assert answer(client, CHARTER)["Location"] == reverse(PASSWORD)
    assert {proof.charter.version for proof in person.charter_acceptances.all()} == {"2026-09", "nouvelle"}


def test_a_draft_is_not_in_force(browser):
    Charter.objects.create(version="brouillon", text_fr="?", text_en="?")

    assert Charter.objects.in_force().version == "2026-09"
    assert answer(browser, CHARTER)["Location"] == reverse(DIRECTORY)


def test_the_refusal_page_writes_nothing(browser, person):
    before = everything_about(person)

    browser.get(reverse("activation-charter-refused"))

    assert everything_about(person) == before
