"""PRV-01: a new charter is asked for at the next login and keeps no user from protecting an account."""

import hashlib
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account
from activation.charter.gate import CHARTER_DUE_KEY
from activation.charter.middleware import is_open_without_charter
from activation.models import Charter
from journal.events import Event
from mailrouting.models import Redirection
from tests.activation.wizard.client import accepted_by
from tests.concurrency import together
from tests.factories import A_GOOD_PASSWORD, active_account, reloaded
from tests.fuzz.routes import routes
from tests.mailrouting.forwarding import ELSEWHERE, redirection_of
from tests.pages import active_without_a_charter, publish_another_charter
from tests.signing_in import submit_login

pytestmark = pytest.mark.django_db

FIRST, SECOND = "2026-09", "2026-11"
PAGE, ACCOUNT, REFUSED, VERSION = "account-charter", "account", "account-charter-refused", "account-charter-version"
# Reviewed: what protects an account, what the law gives to every user, the charter itself, and logout.
OPEN_WITHOUT_CHARTER = {
    *("account-charter", "account-charter-refused", "account-charter-version"),
    *("account-password", "account-recovery", "account-recovery-resend", "account-recovery-cancel"),
    *("account-sessions", "account-session-end", "account-sessions-end-others", "account-sessions-end-all"),
    *("account-redirection-stop", "account-directory", "account-history", "account-data", "account-data-copy"),
    *("account-language", "account-keep-alive", "logout", "well-known-change-password"),
}


@pytest.fixture
def person() -> Account:
    return active_account()


def charter_before(address: str) -> str:
    return f"{reverse(PAGE)}?{urlencode({'next': address})}"


def logged_in(person: Account) -> Client:
    """By the login page, which looks for a charter to accept."""
    browser = Client()
    assert submit_login(browser, person).status_code == 302
    return browser


def stopped(person: Account) -> Client:
    """Logged in after another charter was published."""
    publish_another_charter()
    return logged_in(person)


def accept(browser: Client, *, version: str = SECOND, after: str = "") -> HttpResponse:
    address = charter_before(after) if after else reverse(PAGE)
    return browser.post(address, {"version": version, "accepted": "on"})


def read(browser: Client, name: str = PAGE, *args: str) -> str:
    return browser.get(reverse(name, args=args)).content.decode()


def test_a_new_version_is_asked_for_at_the_next_login_only(person):
    """PRV-01: one published meanwhile interrupts no user; a draft, or one for later, is not asked for."""
    Charter.objects.create(version="brouillon", text_fr="?", text_en="?")
    tomorrow = timezone.now() + timedelta(days=1)
    Charter.objects.create(version="demain", text_fr="?", text_en="?", published_at=tomorrow)
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


def test_an_account_made_without_a_charter_is_asked_too(time_machine):
    """PRV-01: an agent created on the command line; before the first charter there is nothing to accept."""
    agent = active_without_a_charter()
    assert "Acceptez-la pour accéder à votre compte." in read(logged_in(agent))
    time_machine.move_to("2026-08-01T12:00:00+02:00")
    early = logged_in(agent)
    assert CHARTER_DUE_KEY not in early.session
    assert early.get(reverse(PAGE)).status_code == 404
    assert accept(early, version=FIRST).status_code == 302
    assert accepted_by(agent) == []
    time_machine.move_to("2026-12-01T12:00:00+01:00")
    assert accept(logged_in(agent), version=FIRST)["Location"] == reverse(ACCOUNT)
    assert accepted_by(agent) == [FIRST]


def test_private_pages_wait_and_record_nothing(person):
    """PRV-01: the user learns that the form was not recorded, and returns to a page that answers GET."""
    browser, form = stopped(person), reverse("account-redirection")
    before = redirection_of(person)
    for address in (f"{form}?page=2", "/en/compte/"):
        assert browser.get(address)["Location"].endswith(charter_before(address))
    assert browser.options(form).status_code == 302
    assert browser.post(reverse("redirection-verification-resend"))["Location"] == reverse(PAGE)
    response = browser.post(form, {"target": ELSEWHERE, "keep_copy": "on"})
    assert (response["Location"], redirection_of(person).target) == (charter_before(form), before.target)
    assert "Votre demande n’a pas été enregistrée" in browser.get(response["Location"]).content.decode()
    assert accept(browser, after=form)["Location"] == form
    browser.post(form, {"target": ELSEWHERE, "keep_copy": "on"})
    assert redirection_of(person).target == ELSEWHERE


def test_what_protects_an_account_public_pages_and_logout_do_not_wait(person, client):
    """PRV-01, ADM-01: an anonymous client logs in before the charter. A new page waits until it is added here."""
    browser = stopped(person)
    for name in ("account-password", "home", "help", "first-connection", "login"):
        assert browser.get(reverse(name)).status_code == 200, name
    browser.post(reverse("account-language"), {"language": "en"})
    assert (reloaded(person).language, accepted_by(person)) == ("en", [FIRST])
    assert browser.post(reverse("logout"))["Location"] == reverse("home")
    assert (SESSION_KEY in browser.session, CHARTER_DUE_KEY in browser.session) == (False, False)
    for name in (PAGE, REFUSED):
        assert client.get(reverse(name))["Location"].startswith(reverse("login"))
    views = {route.name: route.pattern.callback for route in routes()}
    private = {name for name, view in views.items() if getattr(view, "login_required", True)}
    assert {name for name in private if is_open_without_charter(views[name])} == OPEN_WITHOUT_CHARTER


class TestAccepting:
    def test_adds_a_proof_and_keeps_the_earlier_one(self, person):
        """PRV-01: who, which text, when, from where; the journal has it; the account opens."""
        browser, first, started = stopped(person), person.charter_acceptances.values().get(), timezone.now()
        answers = {"version": SECOND, "accepted": "on"}
        response = browser.post("/en/compte/charte/", answers, REMOTE_ADDR="198.51.100.23")
        proof = person.charter_acceptances.get(charter__version=SECOND)
        assert response["Location"] == "/en/compte/"
        assert (proof.language, proof.client_address) == ("en", "198.51.100.23")
        assert proof.text_sha256 == hashlib.sha256(proof.charter.text_en.encode()).hexdigest()
        assert started <= proof.accepted_at <= timezone.now()
        assert person.charter_acceptances.values().get(charter__version=FIRST) == first
        assert reloaded(person).charter_accepted_at == proof.accepted_at
        entry = person.journal.get(event=Event.CHARTER_ACCEPTED, details__version=SECOND)
        assert (entry.actor, entry.client_address) == (person, "198.51.100.23")
        assert CHARTER_DUE_KEY not in browser.session
        assert browser.get(response["Location"]).status_code == logged_in(person).get("/compte/").status_code == 200

    def test_needs_the_box_and_the_version_in_force(self, person):
        """PRV-01: not the earlier version, which was accepted before."""
        browser = stopped(person)
        for typed in ({"accepted": "1"}, {"version": ""}, {"version": FIRST}):
            page = browser.post(reverse(PAGE), {"version": SECOND, "accepted": "on", **typed})
            assert (page.status_code, "Nouveau texte." in page.content.decode()) == (200, True), typed
        assert (browser.get(reverse(ACCOUNT)).status_code, accepted_by(person)) == (302, [FIRST])

    def test_leads_to_where_the_login_was_meant_to_lead_and_never_out_of_the_portal(self, person):
        """HDR-05: an open redirect would help phishing."""
        publish_another_charter()
        browser, meant = Client(), f"{reverse(ACCOUNT)}?onglet=2"
        login = {"login": person.login, "password": A_GOOD_PASSWORD}
        browser.post(f"{reverse('login')}?next={meant}", login)
        to_the_charter = browser.get(meant)["Location"]
        assert browser.post(to_the_charter, {"version": SECOND, "accepted": "on"})["Location"] == meant
        for address in ("https://evil.example/", "//evil.example", "/\\evil.example"):
            assert accept(browser, after=address)["Location"] == reverse(ACCOUNT)

    def test_on_one_device_opens_the_others(self, person):
        """PRV-01, SES-01: a page left open continues with one proof, one entry and no error; another user of a browser is not stopped."""
        publish_another_charter()
        phone, desk, tablet, shared = (logged_in(person) for _ in range(4))
        accept(phone)
        assert desk.get(reverse(ACCOUNT)).status_code == 200
        assert CHARTER_DUE_KEY not in desk.session
        assert accept(tablet, after=reverse(ACCOUNT))["Location"] == reverse(ACCOUNT)
        assert "La charte que vous avez acceptée" in read(tablet)
        assert accepted_by(person) == [FIRST, SECOND]
        assert person.journal.filter(event=Event.CHARTER_ACCEPTED, details__version=SECOND).count() == 1
        submit_login(shared, active_account())
        assert shared.get(reverse(ACCOUNT)).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_in_two_tabs_at_the_same_instant_makes_one_proof(self):
        """PRV-01, SES-02"""
        publish_another_charter()
        for _ in range(4):
            person = active_without_a_charter()
            tabs = [logged_in(person), logged_in(person)]
            responses = together(*(lambda tab=tab: accept(tab) for tab in tabs))
            assert [response.status_code for response in responses] == [302, 302]
            assert accepted_by(person) == [SECOND]
            assert person.journal.filter(event=Event.CHARTER_ACCEPTED).count() == 1


def test_declining_takes_nothing_away_and_can_be_undone(person):
    """PRV-01: the account stays active; help for a compromised account, and an intruder's forwarding, are one click away."""
    assert logged_in(person).get(reverse(REFUSED))["Location"] == reverse(PAGE)
    browser, stop = stopped(person), f'href="{reverse("account-redirection-stop")}"'
    html = read(browser, REFUSED)
    links = (f'href="{reverse(PAGE)}"', f'action="{reverse("logout")}"', "mailto:", "vos e-mails continuent d’arriver")
    assert [text for text in links if text not in html] == []
    Redirection.objects.filter(account=person).update(target="intrus@exemple.org")
    assert (stop in html, stop in read(browser, REFUSED), stop in read(browser)) == (False, True, True)
    for name in ("account-password", "account-sessions", "account-history"):
        assert f'href="{reverse(name)}"' in html
    assert logged_in(person).get(reverse(ACCOUNT))["Location"] == charter_before(reverse(ACCOUNT))
    student = active_account(category=Category.STUDENT)
    publish_another_charter("2026-12")
    assert "continuent d’arriver" not in read(logged_in(student), REFUSED)


def test_each_accepted_version_can_be_read_again_with_its_proof(person):
    """PRV-01: publishing another takes none away; the digest is that of the text shown, marked as French (RGAA 8.7)."""
    browser, proof = logged_in(person), person.charter_acceptances.get()
    html = read(browser)
    published = f"Version {FIRST}, publiée le 1er\N{NO-BREAK SPACE}septembre 2026."
    texts = ("La charte que vous avez acceptée", proof.text_sha256, published, f"Acceptée par {person.full_name} le ")
    assert [text for text in texts if text not in html] == []
    assert hashlib.sha256(proof.text.encode()).hexdigest() == proof.text_sha256
    browser = stopped(person)
    assert "Cette charte" in read(browser, VERSION, FIRST)
    accept(browser)
    latest, earlier, replaced = read(browser), read(browser, VERSION, FIRST), "l’a remplacée"
    assert ("Nouveau texte." in latest, replaced in latest) == (True, False)
    assert f'href="{reverse(VERSION, args=[FIRST])}"' in latest
    assert ("Nouveau texte." in earlier, replaced in earlier, proof.text_sha256 in earlier) == (False, True, True)
    english = browser.get(f"/en{reverse(VERSION, args=[FIRST])}").content.decode()
    assert re.search(r'<div class="prose" lang="fr">\s*<p>Cette charte', english)


def test_only_the_versions_that_the_user_accepted_are_there_whatever_their_name(person):
    """ADM-01 (IDOR): neither a later version nor one from before the account."""
    browser = logged_in(person)
    publish_another_charter()
    assert logged_in(active_account()).get(reverse(VERSION, args=[FIRST])).status_code == 404
    for version in (SECOND, "brouillon", "x" * 5000, "' OR 1=1 --", "../../etc/passwd", "é\u202e", "a/b"):
        assert browser.get(reverse(VERSION, args=[version])).status_code == 404, version
    for version in ("2026/11", "2026-11 (révisée)", "v2?#"):
        publish_another_charter(version)
        accept(browser, version=version)
        assert "Nouveau texte." in read(browser, VERSION, version)
