"""PRV-01: the charter is read on the page, accepted by ticking a box, and its proof kept."""

import hashlib

import pytest
from django import forms
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from activation.forms import CharterForm
from activation.models import Charter, CharterAcceptance
from core.forms.widgets import CheckboxInput
from directory.forms import DirectoryForm
from journal.events import Event
from mailrouting.forms import MailboxForm, RedirectionForm
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
from tests.pages import publish_another_charter

pytestmark = pytest.mark.django_db

FIRST, SECOND = "2026-09", "2026-11"


@pytest.fixture
def person() -> Account:
    return pending_account()


@pytest.fixture
def browser(client, person) -> Client:
    begin(client, person)
    return client


def accepted_versions() -> list[str]:
    return list(CharterAcceptance.objects.order_by("pk").values_list("charter__version", flat=True))


def test_the_whole_text_is_on_the_page_and_reading_or_refusing_it_writes_nothing(browser, person):
    before = everything_about(person)
    html = browser.get(reverse(CHARTER)).content.decode()
    assert html.count("<h3>") >= 12
    assert all(point.replace("'", "&#x27;") in html for point in Charter.objects.in_force().key_points)
    assert (" checked" in html, "<iframe" in html) == (False, False)
    assert f'href="{reverse(CHARTER)}"' in browser.get(reverse("activation-charter-refused")).content.decode()
    assert everything_about(person) == before


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_acceptance_records_who_which_text_when_and_from_where(person, language):
    """PRV-01: version, SHA-256 of the text in the language of the page, UTC time, client."""
    browser, prefix = Client(REMOTE_ADDR="198.51.100.23"), {"fr": "", "en": "/en"}[language]
    before = timezone.now()
    browser.get(f"{prefix}{link_to(person)}")
    browser.post(f"{prefix}/activation/")
    browser.post(f"{prefix}/activation/charte/", charter_answer())
    charter, proof = Charter.objects.in_force(), CharterAcceptance.objects.get(account=person)
    text = getattr(charter, f"text_{language}")
    assert (proof.charter, proof.language, proof.client_address) == (charter, language, "198.51.100.23")
    assert proof.text_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert before <= proof.accepted_at <= timezone.now()
    assert Account.objects.get(pk=person.pk).charter_accepted_at == proof.accepted_at
    assert person.journal.get(event=Event.CHARTER_ACCEPTED).details == {"version": charter.version}


def test_only_a_ticked_box_is_a_yes(browser):
    """INP-06: nothing but the value that browsers send; of two values the last one counts. Also for the other forms."""
    for values in ("true", "1", "On", "yes", "0", "false", "", ["on", "0"]):
        response = answer(browser, CHARTER, {**charter_answer(), "accepted": values})
        assert "Cochez la case pour accepter la charte" in response.content.decode(), values
    assert accepted_versions() == []
    answer(browser, CHARTER, {**charter_answer(), "accepted": ["0", "on"]})
    assert accepted_versions() == [FIRST]
    fields = [
        each
        for form in (CharterForm, DirectoryForm, MailboxForm, RedirectionForm)
        for each in form.base_fields.values()
    ]
    boxes = [field.widget for field in fields if isinstance(field, forms.BooleanField)]
    assert [type(box) for box in boxes] == [CheckboxInput] * 5


def test_only_the_version_in_force_can_be_accepted(browser):
    """PRV-01: neither a draft nor a made-up version."""
    Charter.objects.create(version="brouillon", text_fr="?", text_en="?")
    for version in ["", "brouillon", "2019-01", "x" * 5000, "\x00", "' OR 1=1 --"]:
        response = answer(browser, CHARTER, {"version": version, "accepted": "on"})
        assert (response.status_code, f'value="{FIRST}"' in response.content.decode()) == (200, True), version
    assert answer(browser, CHARTER, {}).status_code == 200
    assert accepted_versions() == []
    assert answer(browser, CHARTER)["Location"] == reverse(DIRECTORY)


def test_a_version_published_while_reading_is_shown_before_it_is_accepted(browser):
    """PRV-01: no user accepts a text that was not on the page; the box comes back empty."""
    browser.get(reverse(CHARTER))
    answer_of_the_old_page = charter_answer()
    publish_another_charter()
    html = answer(browser, CHARTER, answer_of_the_old_page).content.decode()
    shown = ("La charte a changé pendant votre lecture", "Nouveau texte.", f'value="{SECOND}"')
    assert [text for text in shown if text not in html] == []
    assert " checked" not in html
    assert accepted_versions() == []
    assert answer(browser, CHARTER, {"version": SECOND, "accepted": "on"})["Location"] == reverse(DIRECTORY)
    assert accepted_versions() == [SECOND]


def test_a_version_published_later_in_the_wizard_is_asked_too(person, client):
    """PRV-01: the proof of the first one stays."""
    answered_until(person, PASSWORD)
    begin(client, person)
    publish_another_charter()
    assert answer(client, PASSWORD)["Location"] == reverse(CHARTER)
    assert answer(client, CHARTER)["Location"] == reverse(PASSWORD)
    assert accepted_versions() == [FIRST, SECOND]
