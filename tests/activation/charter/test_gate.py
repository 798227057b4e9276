"""A new version of the charter asks everyone again at the next sign-in, and keeps nobody from protecting an account.

PRV-01, design §5; what was accepted can be read again as it was.
"""

import hashlib
from datetime import timedelta

import pytest
from django.contrib.auth import SESSION_KEY
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse
from django.utils import timezone
from django.views.generic import View

import config.urls
from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from activation.charter.gate import CHARTER_DUE_KEY
from activation.charter.middleware import is_open_without_charter
from activation.models import Charter
from journal.events import Event
from tests.activation.charter.due import (
    ACCOUNT,
    FIRST,
    PAGE,
    SECOND,
    accepted_by,
    accepts,
    before,
    signed_in,
    signs_in,
    stopped,
)
from tests.activation.wizard.client import everything_about
from tests.concurrency import together
from tests.factories import active_account
from tests.fuzz.routes import routes
from tests.pages import active_without_a_charter, publish_another_charter

pytestmark = pytest.mark.django_db

# Reviewed: what protects an account, what the law gives to everybody, the charter itself, and the way out.
OPEN_WITHOUT_CHARTER = {
    *("account-charter", "account-charter-refused", "account-charter-version"),
    *("account-password", "account-recovery", "account-recovery-resend", "account-recovery-cancel"),
    *("account-sessions", "account-session-end", "account-sessions-end-others", "account-sessions-end-all"),
    *(
        "account-redirection-stop",
        "account-directory",
        "account-history",
        "account-data",
        "account-data-copy",
        "account-language",
    ),
    *("account-keep-alive", "logout", "well-known-change-password"),
}


class FormThatWaits(View):
    """A private page with a form, as another app would have it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("the form")

    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("recorded")


class ButtonThatWaits(View):
    """A private address that is only a button's."""

    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("recorded")


class Emergency(FormThatWaits):
    """What has to be possible at once."""

    open_without_charter = True


def private_function(request: HttpRequest) -> HttpResponse:
    return HttpResponse("a page made without a class")


urlpatterns = [
    path("formulaire/", FormThatWaits.as_view()),
    path("bouton/", ButtonThatWaits.as_view()),
    path("urgence/", Emergency.as_view()),
    path("fonction/", private_function),
    *config.urls.urlpatterns,
]


@pytest.fixture
def other_pages(settings) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def person() -> Account:
    return active_account()


class TestWhoIsAsked:
    def test_a_new_version_is_asked_at_the_next_sign_in(self, person):
        """PRV-01"""
        browser = stopped(person)

        response = browser.get(reverse(ACCOUNT))

        assert (response.status_code, response["Location"]) == (302, before(reverse(ACCOUNT)))
        html = browser.get(response["Location"]).content.decode()
        assert "La charte a changé" in html
        assert "Nouveau texte." in html
        assert "Une nouvelle règle." in html
        assert " checked" not in html

    def test_the_version_accepted_at_the_activation_asks_nothing(self, person):
        browser = signed_in(person)

        assert CHARTER_DUE_KEY not in browser.session
        assert browser.get(reverse(ACCOUNT)).status_code == 200

    def test_a_draft_or_a_version_for_later_asks_nothing(self, person):
        Charter.objects.create(version="brouillon", text_fr="?", text_en="?")
        later = timezone.now() + timedelta(days=1)
        Charter.objects.create(version="demain", text_fr="?", text_en="?", published_at=later)

        assert signed_in(person).get(reverse(ACCOUNT)).status_code == 200

    def test_whoever_is_working_is_asked_at_the_next_sign_in_only(self, person):
        """PRV-01: a version published meanwhile stops nobody in the middle of something."""
        browser = signed_in(person)
        publish_another_charter()

        assert browser.get(reverse(ACCOUNT)).status_code == 200
        browser.post(reverse("logout"))
        signs_in(browser, person)
        assert browser.get(reverse(ACCOUNT))["Location"] == before(reverse(ACCOUNT))

    def test_an_account_made_without_a_charter_is_asked_too(self):
        """PRV-01: an agent whom the command line made; there is no earlier version to speak of."""
        agent = active_without_a_charter()
        browser = signed_in(agent)

        html = browser.get(browser.get(reverse(ACCOUNT))["Location"]).content.decode()

        assert "Acceptez-la pour accéder à votre compte." in html
        assert "La charte a changé" not in html
        assert "Relire" not in html
        assert accepts(browser, version=FIRST)["Location"] == reverse(ACCOUNT)
        assert accepted_by(agent) == [FIRST]

    def test_a_portal_without_any_charter_lets_people_sign_in(self, time_machine):
        """A fresh installation: before the first version there is nothing to accept and nothing to read again."""
        agent = active_without_a_charter()
        time_machine.move_to("2026-08-01T12:00:00+02:00")

        browser = signed_in(agent)

        assert CHARTER_DUE_KEY not in browser.session
        assert browser.get(reverse("login")).status_code == 200
        assert browser.get(reverse(PAGE)).status_code == 404
        assert accepts(browser, version=FIRST).status_code == 302
        assert accepted_by(agent) == []

    def test_a_sign_in_costs_one_query_more_and_the_pages_after_it_none(self, person):
        with CaptureQueriesContext(connection) as captured:
            browser = signed_in(person)
        about_the_charter = [query["sql"] for query in captured if "activation_charter" in query["sql"]]
        assert len(about_the_charter) == 1
        assert "text_fr" not in about_the_charter[0]

        with CaptureQueriesContext(connection) as captured:
            browser.get(reverse("account-history"))
        assert not [query["sql"] for query in captured if "activation_charter" in query["sql"]]


@pytest.mark.usefixtures("other_pages")
class TestWhatWaits:
    def test_a_private_page_waits_for_the_charter(self, person):
        """PRV-01"""
        browser = stopped(person)

        assert browser.get("/formulaire/?page=2")["Location"] == before("/formulaire/?page=2")
        assert browser.get("/fonction/")["Location"] == before("/fonction/")
        assert browser.head("/formulaire/")["Location"] == before("/formulaire/")
        assert browser.options("/formulaire/").status_code == 302

    def test_what_was_sent_to_a_page_that_waits_is_not_recorded_and_the_person_is_told(self, person):
        browser = stopped(person)

        response = browser.post("/formulaire/", {"answer": "yes"})

        assert response["Location"] == before("/formulaire/")
        assert "Votre demande n’a pas été enregistrée" in browser.get(response["Location"]).content.decode()
        assert accepts(browser, after="/formulaire/")["Location"] == "/formulaire/"
        assert browser.post("/formulaire/").content == b"recorded"

    def test_afterwards_nobody_lands_on_the_address_of_a_button(self, person):
        """It answers no GET: the account page comes instead."""
        browser = stopped(person)

        assert browser.post("/bouton/")["Location"] == reverse(PAGE)
        assert browser.get("/bouton/").status_code == 302

    def test_what_protects_an_account_does_not_wait(self, person):
        """PRV-01, D4: a compromised account is helped at once."""
        browser = stopped(person)

        assert browser.get("/urgence/").content == b"the form"
        assert browser.post("/urgence/").content == b"recorded"
        assert accepted_by(person) == [FIRST]

    def test_public_pages_do_not_wait(self, person):
        browser = stopped(person)

        for name in ("home", "help", "privacy", "locked-help", "first-connection", "login"):
            assert browser.get(reverse(name)).status_code == 200, name

    def test_signing_out_does_not_wait(self, person):
        browser = stopped(person)

        assert browser.post(reverse("logout"))["Location"] == reverse("home")
        assert SESSION_KEY not in browser.session
        assert CHARTER_DUE_KEY not in browser.session

    def test_a_page_that_does_not_exist_says_so(self, person):
        assert stopped(person).get("/nulle-part/").status_code == 404

    def test_somebody_anonymous_is_asked_who_they_are_first(self, client):
        """ADM-01"""
        for name in (PAGE, "account-charter-refused"):
            assert client.get(reverse(name))["Location"].startswith(reverse("login"))

    def test_the_english_pages_lead_to_the_english_charter(self, person):
        browser = stopped(person)

        assert browser.get("/en/compte/")["Location"] == "/en/compte/charte/?next=%2Fen%2Fcompte%2F"


def test_the_private_pages_open_without_the_charter_are_these_and_no_others():
    """PRV-01: a new page waits for the charter until somebody adds it here on purpose."""
    views = {route.name: route.pattern.callback for route in routes()}
    private = {name for name, view in views.items() if getattr(view, "login_required", True)}

    assert {name for name in private if is_open_without_charter(views[name])} == OPEN_WITHOUT_CHARTER


class TestAccepting:
    def test_the_proof_is_added_and_the_earlier_one_stays(self, person):
        """PRV-01: who, which text, when, from where; the journal tells it."""
        browser = stopped(person)
        first = person.charter_acceptances.values().get()
        started = timezone.now()

        response = browser.post(
            f"{reverse(PAGE)}?next={reverse(ACCOUNT)}",
            {"version": SECOND, "accepted": "on"},
            REMOTE_ADDR="198.51.100.23",
        )

        proof = person.charter_acceptances.get(charter__version=SECOND)
        assert response["Location"] == reverse(ACCOUNT)
        assert proof.language == "fr"
        assert proof.text_sha256 == hashlib.sha256(proof.charter.text_fr.encode()).hexdigest()
        assert started <= proof.accepted_at <= timezone.now()
        assert proof.client_address == "198.51.100.23"
        assert person.charter_acceptances.values().get(charter__version=FIRST) == first
        assert Account.objects.get(pk=person.pk).charter_accepted_at == proof.accepted_at
        entry = person.journal.get(event=Event.CHARTER_ACCEPTED, details__version=SECOND)
        assert (entry.actor, entry.client_address) == (person, "198.51.100.23")

    def test_the_account_opens_and_says_thank_you_once(self, person):
        browser = stopped(person)

        accepts(browser)

        assert CHARTER_DUE_KEY not in browser.session
        page = browser.get(reverse(ACCOUNT))
        assert page.status_code == 200
        assert [str(message) for message in page.context["messages"]] == ["Vous avez accepté la charte informatique."]
        assert signed_in(person).get(reverse(ACCOUNT)).status_code == 200

    def test_whoever_reads_english_accepts_the_english_text(self, person):
        """PRV-01"""
        browser = stopped(person)

        response = browser.post("/en/compte/charte/", {"version": SECOND, "accepted": "on"})

        proof = person.charter_acceptances.get(charter__version=SECOND)
        assert response["Location"] == "/en/compte/"
        assert proof.language == "en"
        assert proof.text_sha256 == hashlib.sha256(proof.charter.text_en.encode()).hexdigest()

    def test_only_a_ticked_box_accepts(self, person):
        """F8, PRV-01"""
        browser = stopped(person)
        for value in ["true", "1", "On", "yes", "0", "false", ""]:
            response = browser.post(reverse(PAGE), {"version": SECOND, "accepted": value})

            assert response.status_code == 200
            assert "Cochez la case pour accepter la charte" in response.content.decode()
            assert accepted_by(person) == [FIRST]
            assert browser.get(reverse(ACCOUNT)).status_code == 302

    def test_another_version_than_the_one_in_force_accepts_nothing(self, person):
        """PRV-01: the earlier version too, which was accepted before."""
        browser = stopped(person)
        for version in ["", FIRST, "2019-01", "x" * 5000, "\x00", "' OR 1=1 --"]:
            response = accepts(browser, version=version)

            assert response.status_code == 200
            assert "Nouveau texte." in response.content.decode()
            assert accepted_by(person) == [FIRST]

    def test_a_version_published_while_reading_is_shown_before_it_is_accepted(self, person):
        """PRV-01: nobody accepts a text that was not on their page; the box comes back empty."""
        browser = stopped(person)
        browser.get(reverse(PAGE))
        Charter.objects.create(version="2026-12", text_fr="Le dernier texte.", text_en="?", published_at=timezone.now())

        html = accepts(browser).content.decode()

        assert "La charte a changé pendant votre lecture" in html
        assert "Le dernier texte." in html
        assert " checked" not in html
        assert accepted_by(person) == [FIRST]
        assert accepts(browser, version="2026-12").status_code == 302
        assert accepted_by(person) == [FIRST, "2026-12"]

    def test_afterwards_nobody_is_led_out_of_the_portal(self, person):
        """HDR-05: an open redirection would help who phishes."""
        browser = stopped(person)
        for address in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "\thttps://evil.example",
            "https:///evil.example",
        ]:
            assert accepts(browser, after=address)["Location"] == reverse(ACCOUNT)

    def test_the_way_from_the_sign_in_through_the_charter_ends_where_it_was_meant_to(self, person):
        publish_another_charter()
        browser = Client()

        to_the_account = signs_in(browser, person, then=f"{reverse(ACCOUNT)}?onglet=2")["Location"]
        to_the_charter = browser.get(to_the_account)["Location"]

        assert browser.post(to_the_charter, {"version": SECOND, "accepted": "on"})["Location"] == to_the_account

    def test_a_form_of_another_site_accepts_nothing(self, person):
        """SES-07"""
        publish_another_charter()
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(person, "accounts.auth.backends.AccountBackend")

        assert accepts(browser).status_code == 403
        assert accepted_by(person) == [FIRST]

    def test_other_methods_change_nothing(self, person):
        """HDR-05"""
        browser = stopped(person)
        for name in [PAGE, "account-charter-refused"]:
            for method in ["put", "patch", "delete", "trace"]:
                assert getattr(browser, method)(reverse(name)).status_code == 405
                assert accepted_by(person) == [FIRST]

    def test_reading_writes_nothing(self, person):
        browser = stopped(person)
        for name in [PAGE, "account-charter-refused"]:
            written_before = everything_about(person)

            for method in (browser.get, browser.head):
                assert method(reverse(name)).status_code == 200

            assert everything_about(person) == written_before


class TestSeveralTabsAndDevices:
    def test_accepting_on_one_device_opens_the_other(self, person):
        """What was sent there is not even lost."""
        publish_another_charter()
        phone, desk = signed_in(person), signed_in(person)

        accepts(phone)

        assert desk.get(reverse(ACCOUNT)).status_code == 200
        assert CHARTER_DUE_KEY not in desk.session

    def test_the_page_left_open_on_the_other_device_goes_on(self, person):
        """PRV-01: one proof, one line in the journal, no error."""
        publish_another_charter()
        phone, desk = signed_in(person), signed_in(person)
        desk.get(reverse(PAGE))
        accepts(phone)

        assert accepts(desk, after=reverse(ACCOUNT))["Location"] == reverse(ACCOUNT)
        assert "La charte que vous avez acceptée" in desk.get(reverse(PAGE)).content.decode()
        assert accepted_by(person) == [FIRST, SECOND]
        assert person.journal.filter(event=Event.CHARTER_ACCEPTED, details__version=SECOND).count() == 1

    def test_a_locked_account_accepts_nothing_more(self, person):
        """SES-05, HLP-01"""
        browser = stopped(person)
        lock_account(account=person, reason=LockReason.PHISHING)

        assert accepts(browser)["Location"].startswith(reverse("login"))
        assert browser.get(reverse(PAGE))["Location"].startswith(reverse("login"))
        assert accepted_by(person) == [FIRST]

    def test_the_next_person_at_the_same_browser_is_not_stopped_by_what_the_first_one_left(self, person):
        """SES-01: nothing of a session passes into the next."""
        browser = stopped(person)
        other = active_account()

        signs_in(browser, other)

        assert accepted_by(other) == [SECOND]
        assert browser.get(reverse(ACCOUNT)).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_accept_at_the_same_instant_make_one_proof():
    """PRV-01, SES-02"""
    publish_another_charter()
    for _ in range(4):
        person = active_without_a_charter()
        tabs = [signed_in(person), signed_in(person)]

        responses = together(*(lambda tab=tab: accepts(tab) for tab in tabs))

        assert [response.status_code for response in responses] == [302, 302]
        assert accepted_by(person) == [SECOND]
        assert person.journal.filter(event=Event.CHARTER_ACCEPTED).count() == 1
