"""The choice to be in the public directory in the wizard, recorded with its wording (PRV-02)."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from directory.forms import DirectoryForm
from directory.models import DirectoryConsent
from directory.services import record_directory_consent
from journal.events import Event
from tests.activation.wizard.client import DIRECTORY, MAILBOX, answer, answered_until, begin, link_to
from tests.factories import pending_account
from tests.fuzz import N

pytestmark = pytest.mark.django_db

QUESTION = "Voulez-vous apparaître dans l’annuaire public\N{NO-BREAK SPACE}?"


@pytest.fixture
def person() -> Account:
    person = pending_account()
    answered_until(person, DIRECTORY)
    return person


@pytest.fixture
def browser(client, person) -> Client:
    begin(client, person)
    return client


def test_the_question_comes_without_an_answer_and_with_a_preview(browser, person):
    """PRV-02, PRV-04: no choice is made beforehand, refusing costs nothing, and the card shows no more than this."""
    assert DirectoryConsent.objects.current(person) is None
    page = browser.get(reverse(DIRECTORY))
    html = page.content.decode()
    assert (page.context["form"].initial, " checked" in html) == ({}, False)
    assert all(text in html for text in ("n’a aucun effet sur vos accès", reverse("privacy")))
    preview = html.split('class="preview"')[1].split("</section>")[0]
    shown = [fact in preview for fact in (person.full_name, person.institutional_address)]
    assert (shown, person.recovery_address in preview, "1984" in preview) == ([True, True], False, False)


def test_the_decision_is_stored_with_the_wording_that_was_read(browser, person):
    """PRV-02, INP-06: value, wording, language, time, event; of two values the last one counts."""
    for typed, listed, words, event in (
        ("yes", True, "Oui, afficher ma fiche", Event.DIRECTORY_CONSENT_GIVEN),
        (["yes", "no"], False, "Non, ne pas afficher ma fiche", Event.DIRECTORY_CONSENT_REFUSED),
    ):
        before = timezone.now()
        assert answer(browser, DIRECTORY, {"listed": typed, "understood": "on"})["Location"] == reverse(MAILBOX)
        decision = DirectoryConsent.objects.current(person)
        assert (decision.listed, decision.wording, decision.language) == (listed, f"{QUESTION} {words}", "fr")
        assert before <= decision.decided_at <= timezone.now()
        assert person.journal.filter(event=event).count() == 1
    browser.get(f"/en{link_to(person)}")
    browser.post("/en/activation/annuaire/", {"listed": "yes", "understood": "on"})
    decision = DirectoryConsent.objects.current(person)
    assert (decision.language, QUESTION in decision.wording, bool(decision.wording)) == ("en", False, True)


def test_only_yes_or_no_with_the_box_ticked_is_an_answer(browser, person):
    """PRV-02, INP-01: neither choice is easier; a refused form keeps what was chosen and escapes what was typed."""
    for listed in ("", "oui", "YES", "true", "on", "1", N["N10"]):
        form = DirectoryForm({"listed": listed, "understood": "on"})
        assert form.errors == {"listed": ["Choisissez Oui ou Non"]}
        assert listed not in str(form) or "<" not in listed
    for listed in ("yes", "no"):
        html = answer(browser, DIRECTORY, {"listed": listed}).content.decode()
        assert "Cochez la case pour confirmer votre choix" in html
        [chosen] = [tag for tag in html.split("<input")[1:] if " checked" in tag.split(">")[0]]
        assert f'value="{listed}"' in chosen
    assert not DirectoryConsent.objects.exists()


def test_every_decision_stays_and_the_last_one_counts(person):
    """PRV-02: also of two at the same instant; the same again records nothing; each account has its own."""
    for listed in (True, False, True):
        first = record_directory_consent(account=person, listed=listed, wording="?")
        assert record_directory_consent(account=person, listed=listed, wording="other words") == first
    decisions = DirectoryConsent.objects.filter(account=person).order_by("pk")
    assert [decision.listed for decision in decisions] == [True, False, True]
    assert DirectoryConsent.objects.current(person).listed
    assert person.journal.filter(event=Event.DIRECTORY_CONSENT_GIVEN).count() == 2
    now = timezone.now()
    for listed in (True, False):
        DirectoryConsent.objects.create(account=person, listed=listed, wording="?", language="fr", decided_at=now)
    assert DirectoryConsent.objects.current(person).listed is False
    assert DirectoryConsent.objects.current(pending_account()) is None
