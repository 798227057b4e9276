"""PRV-01: a new charter is asked for at the next login, and keeps no user from protecting an account."""

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
    REFUSED,
    SECOND,
    accept,
    accepted_by,
    charter_before,
    logged_in,
    read,
    stopped,
)
from tests.activation.wizard.client import everything_about
from tests.concurrency import together
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.fuzz.routes import routes
from tests.pages import active_without_a_charter, publish_another_charter
from tests.signing_in import submit_login

pytestmark = pytest.mark.django_db

# Reviewed: what protects an account, what the law gives to every user, the charter itself, and logout.
OPEN_WITHOUT_CHARTER = {
    *("account-charter", "account-charter-refused", "account-charter-version"),
    *("account-password", "account-recovery", "account-recovery-resend", "account-recovery-cancel"),
    *("account-sessions", "account-session-end", "account-sessions-end-others", "account-sessions-end-all"),
    *("account-redirection-stop", "account-directory", "account-history", "account-data", "account-data-copy"),
    *("account-language", "account-keep-alive", "logout", "well-known-change-password"),
}


class FormView(View):
    """A private page with a form, as another app would have it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("form")

    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("recorded")


class ButtonView(View):
    """A private URL that only accepts POST."""

    post = FormView.post


class OpenView(FormView):
    open_without_charter = True


urlpatterns = [
    path("form/", FormView.as_view()),
    path("button/", ButtonView.as_view()),
    path("open/", OpenView.as_view()),
    path("function/", lambda request: HttpResponse("function")),
    *config.urls.urlpatterns,
]


@pytest.fixture
def person() -> Account:
    return active_account()


class TestAtLogin:
    def test_a_new_version_is_asked_for_at_the_next_login_only(self, person):
        """PRV-01: a version published meanwhile interrupts no user."""
        browser = logged_in(person)
        assert CHARTER_DUE_KEY not in browser.session
        publish_another_charter()
        assert browser.get(reverse(ACCOUNT)).status_code == 200
        browser.post(reverse("logout"))
        submit_login(browser, person)
        response = browser.get(reverse(ACCOUNT))
        assert (response.status_code, response["Location"]) == (302, charter_before(reverse(ACCOUNT)))
        html = browser.get(response["Location"]).content.decode()
        assert all(text in html for text in ("La charte a changé", "Nouveau texte.", "Une nouvelle règle."))
        assert " checked" not in html

    def test_a_draft_or_a_version_for_later_is_not_asked_for(self, person):
        Charter.objects.create(version="brouillon", text_fr="?", text_en="?")
        tomorrow = timezone.now() + timedelta(days=1)
        Charter.objects.create(version="demain", text_fr="?", text_en="?", published_at=tomorrow)
        assert logged_in(person).get(reverse(ACCOUNT)).status_code == 200

    def test_an_account_made_without_a_charter_is_asked_too(self, time_machine):
        """PRV-01: an agent created on the command line; before the first charter there is nothing to accept."""
        agent = active_without_a_charter()
        html = read(logged_in(agent))
        assert "Acceptez-la pour accéder à votre compte." in html
        assert ("La charte a changé" in html, "Relire" in html) == (False, False)
        time_machine.move_to("2026-08-01T12:00:00+02:00")
        early = logged_in(agent)
        assert CHARTER_DUE_KEY not in early.session
        assert early.get(reverse(PAGE)).status_code == 404
        assert accept(early, version=FIRST).status_code == 302
        assert accepted_by(agent) == []
        time_machine.move_to("2026-12-01T12:00:00+01:00")
        assert accept(logged_in(agent), version=FIRST)["Location"] == reverse(ACCOUNT)
        assert accepted_by(agent) == [FIRST]

    def test_a_login_costs_one_query_more_and_the_pages_after_it_none(self, person):
        with CaptureQueriesContext(connection) as captured:
            browser = logged_in(person)
        [query] = [query["sql"] for query in captured if "activation_charter" in query["sql"]]
        assert "text_fr" not in query
        with CaptureQueriesContext(connection) as captured:
            browser.get(reverse("account-history"))
        assert not [query["sql"] for query in captured if "activation_charter" in query["sql"]]


class TestGate:
    @pytest.fixture(autouse=True)
    def other_pages(self, settings) -> None:
        settings.ROOT_URLCONF = __name__

    def test_private_pages_wait_and_record_nothing(self, person):
        """PRV-01: the user learns that the form was not recorded, and returns to a page that answers GET."""
        browser = stopped(person)
        for address in ("/form/?page=2", "/function/"):
            assert browser.get(address)["Location"] == charter_before(address)
        assert browser.head("/form/")["Location"] == charter_before("/form/")
        assert browser.options("/form/").status_code == 302
        assert browser.get("/en/compte/")["Location"] == "/en/compte/charte/?next=%2Fen%2Fcompte%2F"
        assert browser.post("/button/")["Location"] == reverse(PAGE)
        response = browser.post("/form/", {"answer": "yes"})
        assert response["Location"] == charter_before("/form/")
        assert "Votre demande n’a pas été enregistrée" in browser.get(response["Location"]).content.decode()
        assert accept(browser, after="/form/")["Location"] == "/form/"
        assert browser.post("/form/").content == b"recorded"

    def test_what_protects_an_account_public_pages_and_logout_do_not_wait(self, person, client):
        """PRV-01, ADM-01: an anonymous client logs in before the charter."""
        browser = stopped(person)
        assert (browser.get("/open/").content, browser.post("/open/").content) == (b"form", b"recorded")
        for name in ("home", "help", "privacy", "locked-help", "first-connection", "login"):
            assert browser.get(reverse(name)).status_code == 200, name
        assert browser.get("/nulle-part/").status_code == 404
        assert accepted_by(person) == [FIRST]
        assert browser.post(reverse("logout"))["Location"] == reverse("home")
        assert (SESSION_KEY in browser.session, CHARTER_DUE_KEY in browser.session) == (False, False)
        for name in (PAGE, REFUSED):
            assert client.get(reverse(name))["Location"].startswith(reverse("login"))


def test_the_private_pages_open_without_the_charter_are_these_and_no_others():
    """PRV-01: a new page waits for the charter until it is added here on purpose."""
    views = {route.name: route.pattern.callback for route in routes()}
    private = {name for name, view in views.items() if getattr(view, "login_required", True)}
    assert {name for name in private if is_open_without_charter(views[name])} == OPEN_WITHOUT_CHARTER


class TestAccepting:
    @pytest.mark.parametrize("language", ["fr", "en"])
    def test_adds_a_proof_and_keeps_the_earlier_one(self, person, language):
        """PRV-01: who, which text, when, from where; the journal has it; the account opens."""
        browser, prefix = stopped(person), {"fr": "", "en": "/en"}[language]
        first = person.charter_acceptances.values().get()
        started = timezone.now()
        response = browser.post(
            f"{prefix}/compte/charte/", {"version": SECOND, "accepted": "on"}, REMOTE_ADDR="198.51.100.23"
        )
        proof = person.charter_acceptances.get(charter__version=SECOND)
        text = getattr(proof.charter, f"text_{language}")
        assert response["Location"] == f"{prefix}/compte/"
        assert (proof.language, proof.client_address) == (language, "198.51.100.23")
        assert proof.text_sha256 == hashlib.sha256(text.encode()).hexdigest()
        assert started <= proof.accepted_at <= timezone.now()
        assert person.charter_acceptances.values().get(charter__version=FIRST) == first
        assert Account.objects.get(pk=person.pk).charter_accepted_at == proof.accepted_at
        entry = person.journal.get(event=Event.CHARTER_ACCEPTED, details__version=SECOND)
        assert (entry.actor, entry.client_address) == (person, "198.51.100.23")
        assert CHARTER_DUE_KEY not in browser.session
        page = browser.get(response["Location"])
        assert (page.status_code, len(page.context["messages"])) == (200, 1)
        assert logged_in(person).get(reverse(ACCOUNT)).status_code == 200

    def test_needs_the_box_and_the_version_in_force(self, person):
        """PRV-01: not the earlier version, which was accepted before; one published while reading is shown first."""
        browser = stopped(person)
        for typed in ({"accepted": "1"}, {"version": ""}, {"version": FIRST}, {"version": "x" * 5000}):
            response = browser.post(reverse(PAGE), {"version": SECOND, "accepted": "on", **typed})
            assert (response.status_code, "Nouveau texte." in response.content.decode()) == (200, True)
        assert browser.get(reverse(ACCOUNT)).status_code == 302
        Charter.objects.create(version="2026-12", text_fr="Le dernier texte.", text_en="?", published_at=timezone.now())
        html = accept(browser).content.decode()
        assert all(text in html for text in ("La charte a changé pendant votre lecture", "Le dernier texte."))
        assert " checked" not in html
        assert accepted_by(person) == [FIRST]
        assert accept(browser, version="2026-12").status_code == 302
        assert accepted_by(person) == [FIRST, "2026-12"]

    def test_leads_to_where_the_login_was_meant_to_lead_and_never_out_of_the_portal(self, person):
        """HDR-05: an open redirect would help phishing."""
        publish_another_charter()
        browser, meant = Client(), f"{reverse(ACCOUNT)}?onglet=2"
        login = {"login": person.login, "password": A_GOOD_PASSWORD}
        to_the_account = browser.post(f"{reverse('login')}?next={meant}", login)["Location"]
        to_the_charter = browser.get(to_the_account)["Location"]
        assert browser.post(to_the_charter, {"version": SECOND, "accepted": "on"})["Location"] == meant
        for address in ("https://evil.example/", "//evil.example", "/\\evil.example", "\thttps://evil.example"):
            assert accept(browser, after=address)["Location"] == reverse(ACCOUNT)

    def test_needs_a_post_with_a_csrf_token(self, person):
        """SES-07, HDR-05"""
        browser, forged = stopped(person), Client(enforce_csrf_checks=True)
        forged.force_login(person, "accounts.auth.backends.AccountBackend")
        before = everything_about(person)
        assert accept(forged).status_code == 403
        for name in [PAGE, REFUSED]:
            for method, status in {"get": 200, "head": 200, "put": 405, "patch": 405, "delete": 405}.items():
                assert getattr(browser, method)(reverse(name)).status_code == status
        assert everything_about(person) == before


class TestOtherDevices:
    def test_accepting_on_one_device_opens_the_others(self, person):
        """PRV-01: a page left open continues with one proof, one journal entry and no error."""
        publish_another_charter()
        phone, desk, tablet = (logged_in(person) for _ in range(3))
        accept(phone)
        assert desk.get(reverse(ACCOUNT)).status_code == 200
        assert CHARTER_DUE_KEY not in desk.session
        assert accept(tablet, after=reverse(ACCOUNT))["Location"] == reverse(ACCOUNT)
        assert "La charte que vous avez acceptée" in read(tablet)
        assert accepted_by(person) == [FIRST, SECOND]
        assert person.journal.filter(event=Event.CHARTER_ACCEPTED, details__version=SECOND).count() == 1

    def test_a_locked_account_accepts_nothing_more(self, person):
        """SES-05, HLP-01"""
        browser = stopped(person)
        lock_account(account=person, reason=LockReason.PHISHING)
        for response in (accept(browser), browser.get(reverse(PAGE))):
            assert response["Location"].startswith(reverse("login"))
        assert accepted_by(person) == [FIRST]

    def test_the_next_user_of_the_browser_is_not_stopped_by_the_session_of_the_first(self, person):
        """SES-01"""
        browser, other = stopped(person), active_account()
        submit_login(browser, other)
        assert accepted_by(other) == [SECOND]
        assert browser.get(reverse(ACCOUNT)).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_two_tabs_that_accept_at_the_same_instant_make_one_proof(self):
        """PRV-01, SES-02"""
        publish_another_charter()
        for _ in range(4):
            person = active_without_a_charter()
            tabs = [logged_in(person), logged_in(person)]
            responses = together(*(lambda tab=tab: accept(tab) for tab in tabs))
            assert [response.status_code for response in responses] == [302, 302]
            assert accepted_by(person) == [SECOND]
            assert person.journal.filter(event=Event.CHARTER_ACCEPTED).count() == 1
