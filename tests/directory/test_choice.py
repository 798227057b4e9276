"""The choice to be in the public directory, in the wizard and from the account (PRV-02)."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from directory.forms import DirectoryForm
from directory.models import DirectoryConsent
from directory.services import change_directory_consent, record_directory_consent
from directory.views import DirectoryChoiceView
from journal.events import Event
from outbox.models import Message
from tests.activation.wizard.client import DIRECTORY, MAILBOX, answer, answered_until, begin, link_to
from tests.concurrency import together
from tests.factories import active_account, pending_account
from tests.fuzz import N
from tests.signing_in import log_in

pytestmark = pytest.mark.django_db

PAGE = "account-directory"
QUESTION = "Voulez-vous apparaître dans l’annuaire public\N{NO-BREAK SPACE}?"
YES, NO = {"listed": "yes", "understood": "on"}, {"listed": "no", "understood": "on"}
ANSWERS = (
    (YES, True, "Oui, afficher ma fiche", Event.DIRECTORY_CONSENT_GIVEN),
    (NO, False, "Non, ne pas afficher ma fiche", Event.DIRECTORY_CONSENT_REFUSED),
)


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand")


@pytest.fixture
def browser(person: Account) -> Client:
    return log_in(Client(), person)


@pytest.fixture
def newcomer() -> Account:
    person = pending_account()
    answered_until(person, DIRECTORY)
    return person


@pytest.fixture
def wizard(client: Client, newcomer: Account) -> Client:
    begin(client, newcomer)
    return client


def decide(browser: Client, answer: dict[str, str]) -> str:
    return browser.post(reverse(PAGE), answer, follow=True).content.decode()


def ticked(html: str) -> list[str]:
    return [tag for tag in html.split("<input")[1:] if " checked" in tag.split(">")[0]]


class TestWizard:
    def test_the_question_comes_without_an_answer_which_is_stored_with_the_wording_that_was_read(
        self, wizard, newcomer
    ):
        """PRV-02, PRV-04, INP-06: refusing costs nothing; value, wording, language, time, event are kept."""
        assert DirectoryConsent.objects.current(newcomer) is None
        html = wizard.get(reverse(DIRECTORY)).content.decode()
        assert ticked(html) == []
        assert all(text in html for text in ("n’a aucun effet sur vos accès", reverse("privacy")))
        for typed, listed, words, event in ANSWERS:
            # Of two values the last one counts.
            data, before = {**typed, "listed": ["yes", typed["listed"]]}, timezone.now()
            assert answer(wizard, DIRECTORY, data)["Location"] == reverse(MAILBOX)
            decision = DirectoryConsent.objects.current(newcomer)
            assert (decision.listed, decision.wording, decision.language) == (listed, f"{QUESTION} {words}", "fr")
            assert before <= decision.decided_at <= timezone.now()
            assert newcomer.journal.filter(event=event).count() == 1
        wizard.get(f"/en{link_to(newcomer)}")
        wizard.post("/en/activation/annuaire/", YES)
        decision = DirectoryConsent.objects.current(newcomer)
        assert (decision.language, QUESTION in decision.wording, bool(decision.wording)) == ("en", False, True)

    def test_only_yes_or_no_with_the_box_ticked_is_an_answer(self, wizard):
        """PRV-02, INP-01: neither choice is easier; a refused form keeps what was chosen and escapes what was typed."""
        for listed in ("", "oui", "YES", "true", "on", "1", N["N10"]):
            form = DirectoryForm({"listed": listed, "understood": "on"})
            assert form.errors == {"listed": ["Choisissez Oui ou Non"]}
            assert listed not in str(form) or "<" not in listed
        for listed in ("yes", "no"):
            html = answer(wizard, DIRECTORY, {"listed": listed}).content.decode()
            assert "Cochez la case pour confirmer votre choix" in html
            assert [f'value="{listed}"' in chosen for chosen in ticked(html)] == [True]
        assert not DirectoryConsent.objects.exists()


class TestAccount:
    def test_yes_lists_and_no_withdraws_at_once(self, browser, person):
        """PRV-02: one page, the same clicks, no password; recorded with wording, language and source."""
        for typed, listed, words, event in ANSWERS:
            for _ in range(2):
                account_page = decide(browser, typed)
            result = "vous figurez" if listed else "vous ne figurez pas"
            assert f"Enregistré\N{NO-BREAK SPACE}: {result} dans l’annuaire public." in account_page
            found = "mailto:" in Client().get(reverse("directory"), {"q": "durand"}).content.decode()
            assert (found, "Vous y figurez" in account_page) == (listed, listed)
            decision = DirectoryConsent.objects.current(person)
            assert (decision.listed, decision.wording, decision.language) == (listed, f"{QUESTION} {words}", "fr")
            entry = person.journal.filter(event=event).latest("pk")
            assert (entry.actor, entry.source) == (person, "web")
            html = browser.get(reverse(PAGE)).content.decode()
            assert [f'value="{typed["listed"]}"' in chosen for chosen in ticked(html)] == [True]
        assert DirectoryConsent.objects.filter(account=person).count() == 3
        assert not Message.objects.filter(person=person).exists()

    def test_an_incomplete_answer_or_another_account_changes_nothing(self, browser, person):
        """INP-06, PRV-02: no box ticked beforehand, the preview is the public card; a new charter does not matter."""
        other = active_account()
        assert "Choisissez Oui ou Non" in decide(browser, {"listed": "oui", "understood": "on"})
        assert "Cochez la case pour confirmer votre choix" in decide(browser, {"listed": "yes"})
        assert DirectoryConsent.objects.filter(account=person).count() == 1
        decide(browser, {**YES, "account": str(other.pk), "user": str(other.pk)})
        decisions = DirectoryConsent.objects.current(other).listed, DirectoryConsent.objects.current(person).listed
        assert decisions == (False, True)
        assert DirectoryChoiceView.open_without_charter
        DirectoryConsent.objects.filter(account=person).delete()
        html = browser.get(reverse(PAGE)).content.decode()
        assert (ticked(html), "Vous n’y figurez pas" in html) == ([], True)
        preview = html.split('class="preview"')[1].split("</section>")[0]
        facts = (person.full_name, person.institutional_address, person.recovery_address, "1984")
        assert [fact in preview for fact in facts] == [True, True, False, False]


def test_every_decision_stays_and_the_last_one_counts(newcomer):
    """PRV-02: also of two at the same instant; the same again records nothing; each account has its own."""
    for listed in (True, False, True):
        first = record_directory_consent(account=newcomer, listed=listed, wording="?")
        assert record_directory_consent(account=newcomer, listed=listed, wording="other words") == first
    decisions = DirectoryConsent.objects.filter(account=newcomer).order_by("pk")
    assert [decision.listed for decision in decisions] == [True, False, True]
    assert newcomer.journal.filter(event=Event.DIRECTORY_CONSENT_GIVEN).count() == 2
    now = timezone.now()
    for listed in (True, False):
        DirectoryConsent.objects.create(account=newcomer, listed=listed, wording="?", language="fr", decided_at=now)
    assert DirectoryConsent.objects.current(newcomer).listed is False
    assert DirectoryConsent.objects.current(pending_account()) is None


@pytest.mark.django_db(transaction=True)
def test_a_double_click_is_recorded_once(person):
    together(*[lambda: change_directory_consent(account=person, listed=True, wording="?")] * 4)
    assert DirectoryConsent.objects.filter(account=person, listed=True).count() == 1
    assert person.journal.filter(event=Event.DIRECTORY_CONSENT_GIVEN).count() == 1
