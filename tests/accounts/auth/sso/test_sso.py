"""Single sign-on: real CAS and OpenID Connect providers, followed as a browser does."""

import re
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from accounts.auth.sessions import CONFIRMED_AT
from accounts.auth.sso import oidc
from accounts.auth.sso.services import account_named
from accounts.auth.sso.state import LOGIN_ATTEMPTS, MAX_LOGIN_ATTEMPTS
from accounts.models import Account, Session
from activation.first_connection.views import LINK_ASKED
from core.rate_limits import FAILED_SIGN_INS_PER_CLIENT
from devtools.processes import free_port
from journal.events import Event
from journal.models import JournalEntry
from tests.accounts.auth.sso.providers.browser import PORTAL, Browser, ProviderProcess, run_provider
from tests.accounts.auth.sso.providers.program import ADDRESS, FORGED_TOKENS, SECRET, USER
from tests.activation.states import leave, lock
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import NEXT
from tests.locking import is_told_why, locked_account
from tests.signing_in import is_signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.processes, pytest.mark.xdist_group("single-sign-on")]

INTERRUPTED = "/connexion/interrompue/"
UNAVAILABLE = "/connexion/indisponible/"
NO_ACCOUNT = "/connexion/sans-compte/"


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture(scope="session")
def processes() -> Iterator[dict[str, ProviderProcess]]:
    with run_provider("cas") as cas, run_provider("oidc") as oidc:
        yield {"cas": cas, "oidc": oidc}


@pytest.fixture(params=["cas", "oidc"])
def provider(request, settings, processes) -> ProviderProcess:
    """Each provider in turn, started again if the last test has killed it."""
    one = processes[request.param]
    if one.process.poll() is not None:
        one.start()
    settings.PORTAL_URL, settings.SIGN_IN, settings.SIGN_IN_ATTRIBUTE = PORTAL, request.param, ""
    settings.CAS_URL, settings.OIDC_ISSUER = f"{one.url}/cas", f"{one.url}/oidc"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = "portal", SECRET
    return one


@pytest.fixture
def camille() -> Account:
    return active_account(uid=USER, institutional_address=ADDRESS.lower())


at_cas = pytest.mark.parametrize("provider", ["cas"], indirect=True)


def with_query(address: str, **query: str) -> str:
    parts = urlsplit(address)
    return parts._replace(query=urlencode(parse_qs(parts.query) | query, doseq=True)).geturl()


def save_attempts(browser: Browser, attempts: dict[str, object]) -> None:
    session = browser.portal.session
    session[LOGIN_ATTEMPTS] = attempts
    session.save()
    browser.portal.cookies["sessionid"] = session.session_key


def assert_refused(browser: Browser, page: str = INTERRUPTED, *, recorded: list[tuple[int | None, str]]) -> None:
    assert urlsplit(browser.visited[-1]).path == page, browser.visited
    assert browser.answer.status_code == 200
    assert not browser.is_signed_in
    rows = JournalEntry.objects.filter(event=Event.SIGN_IN_FAILED).order_by("pk")
    assert [(row.account_id, row.details["by"]) for row in rows] == recorded


class TestLogin:
    def test_begins_a_new_session_and_asks_for_no_password_twice(self, provider, browser, camille, settings):
        """TOK-09, SES-01, SES-05, SES-08: no ticket or code in the address bar; the password stays unconfirmed."""
        page = f"{PORTAL}{reverse('account-sessions')}"
        browser.portal.post(reverse("first-connection"), {"login": "quelqu.un"})
        planted = browser.portal.session.session_key
        browser.sign_in(page)
        assert browser.is_signed_in
        assert browser.visited[-1] == page
        assert browser.forms_filled == 1
        assert "connexion/retour/" in browser.visited[-2]
        assert browser.portal.session.session_key != planted
        assert not {LOGIN_ATTEMPTS, CONFIRMED_AT, LINK_ASKED} & set(browser.portal.session.keys())
        assert not Session.objects.filter(session_key=planted).exists()
        assert "current_password" in browser.open(f"{PORTAL}{reverse('account-password')}").content.decode()
        browser.portal = Client()
        assert camille.login in browser.sign_in(f"{PORTAL}/compte/").content.decode()
        assert browser.forms_filled == 1
        entries = camille.journal.filter(event__in=(Event.SIGNED_IN, Event.SIGN_IN_FAILED))
        assert [(entry.event, entry.details) for entry in entries] == [(Event.SIGNED_IN, {"by": settings.SIGN_IN})] * 2
        lock(camille)
        assert not is_signed_in(browser.portal)

    @at_cas
    def test_never_leads_outside_and_works_from_several_tabs(self, provider, browser, camille):
        """INP-08, the NEXT pack. Each tab has its own attempt; a session keeps the last few."""
        older = browser.return_address(f"{PORTAL}/connexion/?next={reverse('account-sessions')}")
        browser.open(f"{PORTAL}/connexion/")
        browser.open(older)
        assert browser.is_signed_in
        for target in NEXT:
            browser.portal = Client()
            browser.sign_in(f"{PORTAL}{reverse('single-sign-on')}?{urlencode({'next': target})}")
            assert browser.is_signed_in, target
            assert urlsplit(browser.visited[-1]).netloc == urlsplit(PORTAL).netloc, target
        browser.portal.post(reverse("logout"))
        for _ in range(MAX_LOGIN_ATTEMPTS + 3):
            browser.portal.get(reverse("single-sign-on"))
        assert len(browser.portal.session[LOGIN_ATTEMPTS]) == MAX_LOGIN_ATTEMPTS

    def test_finds_the_account_by_the_attribute_of_the_settings(self, provider, browser, camille, settings):
        """Providers register one return address, whatever the language. An attribute not sent counts no failure."""
        for attribute in {"cas": ("", "mail"), "oidc": ("", "preferred_username", "email")}[settings.SIGN_IN]:
            settings.SIGN_IN_ATTRIBUTE, browser.portal = attribute, Client()
            browser.sign_in(f"{PORTAL}/en/compte/")
            assert browser.is_signed_in, attribute
            assert browser.visited[-1] == f"{PORTAL}/en/compte/"
        settings.SIGN_IN_ATTRIBUTE, browser.portal = "eduPersonPrincipalName", Client()
        browser.sign_in()
        assert_refused(browser, UNAVAILABLE, recorded=[])

    def test_takes_a_uid_or_an_institutional_address_and_no_look_alike(self, camille):
        """INP-03, HLP-07: the recovery address identifies no account."""
        for name in ("cdurand", "CDurand", ADDRESS, ADDRESS.upper(), f" {ADDRESS} "):
            assert account_named(name) == camille, name
        unknown = ["durand", "cdurand ", "cdurand\0", "\u0441durand", "c\u212adurand", "camille.durand", "cdurand@"]
        unknown += ["@", "%", "x" * 5000, f"{ADDRESS}\0", "camille.durand@un\u0131v-exemple.fr"]
        unknown.append(camille.recovery_address)
        assert [name for name in unknown if account_named(name)] == []

    @at_cas
    def test_to_an_inactive_account_gets_one_same_page_in_every_state(self, provider, browser):
        """ENU-02, HLP-01: with the three ways to go on; a locked one is told why, its identity being proved."""
        recorded = []
        for make, page in (
            (lambda: None, NO_ACCOUNT),
            (lambda: pending_account(uid=USER), NO_ACCOUNT),
            (lambda: leave(active_account(uid=USER)), NO_ACCOUNT),
            (lambda: active_account(uid=USER, password=None), NO_ACCOUNT),
            (lambda: locked_account(uid=USER), reverse("single-sign-on-return")),
        ):
            person = make()
            html = browser.sign_in().content.decode()
            recorded.append((person and person.pk, "cas"))
            assert_refused(browser, page, recorded=recorded)
            ways_out = (f"{reverse('login')}?ici", reverse("first-connection"), reverse("locked-help"))
            assert all(way_out in html for way_out in ways_out) if page == NO_ACCOUNT else is_told_why(html)
            Account.objects.filter(uid=USER).update(uid=f"renamed{len(recorded)}")


class TestForgery:
    def test_a_replayed_answer_is_refused_by_both_sides(self, provider, browser, camille, settings):
        """The attempt ends with its first answer, which is no HEAD; then the ticket or code is refused."""
        address = browser.return_address()
        attempts = browser.portal.session[LOGIN_ATTEMPTS]
        assert browser.portal.head(address.removeprefix(PORTAL)).status_code == 405
        browser.open(address)
        assert browser.is_signed_in
        browser.portal.post(reverse("logout"))
        browser.open(address)
        assert_refused(browser, recorded=[])
        save_attempts(browser, attempts)
        browser.open(address)
        assert_refused(browser, recorded=[(None, settings.SIGN_IN)])

    def test_a_made_up_state_or_that_of_another_browser_is_refused(self, provider, browser, camille):
        """ENU-07, login CSRF: nothing in the journal, no client throttled, no victim signed in as the attacker."""
        address, victim = browser.return_address(), Browser()
        for forged in ("", "made-up", "x" * 3000, "\0", "é"):
            browser.open(with_query(address, state=forged))
            assert_refused(browser, recorded=[])
        browser.open(f"{PORTAL}{reverse('single-sign-on-return')}")
        assert_refused(browser, recorded=[])
        victim.portal.get(reverse("single-sign-on"))
        victim.open(address)
        assert_refused(victim, recorded=[])

    def test_a_made_up_ticket_or_code_is_refused(self, provider, browser, camille, settings):
        """ENU-07: once an attempt has ended, the provider is not asked; nor often, after a hundred failures of a client."""

        def give_back(forged: str) -> str:
            browser.portal.get(reverse("single-sign-on"))
            [*_, state] = browser.portal.session[LOGIN_ATTEMPTS]
            query = urlencode({"state": state, "ticket": forged, "code": forged})
            return f"{PORTAL}{reverse('single-sign-on-return')}?{query}"

        recorded = []
        for forged in ("", "ST-made-up", "x" * 3000, "\0", "é", "<a>", "&ticket=ST-1"):
            address = give_back(forged)
            recorded.append((None, settings.SIGN_IN))
            for _ in range(2):
                browser.open(address)
                assert_refused(browser, recorded=recorded)
        for _ in range(100 - len(recorded)):
            FAILED_SIGN_INS_PER_CLIENT.count("127.0.0.1")
        statuses = [browser.open(give_back("ST-made-up")).status_code for _ in range(11)]
        assert statuses == [200] * 10 + [429]
        assert JournalEntry.objects.filter(event=Event.SIGN_IN_FAILED).count() == len(recorded) + 10

    @at_cas
    def test_a_ticket_for_another_attempt_is_refused(self, provider, browser, camille):
        ticket = parse_qs(urlsplit(browser.return_address()).query)["ticket"][0]
        other_attempt = urlsplit(browser.portal.get(reverse("single-sign-on"))["Location"]).query
        browser.open(with_query(parse_qs(other_attempt)["service"][0], ticket=ticket))
        assert_refused(browser, recorded=[(None, "cas")])

    @pytest.mark.parametrize("provider", ["oidc"], indirect=True)
    def test_a_token_with_a_wrong_claim_or_signature_is_refused(self, provider, browser, camille, settings):
        """A claim may come with the user information; an address that is not called verified names no account."""
        unverified = ("address-not-verified", "address-not-said-to-be-verified")
        verified = "address-verified-in-userinfo"
        accepted = [(client, "", SECRET) for client in ("names-in-userinfo", verified, *unverified)]
        accepted += [(verified, "email", SECRET)]
        metadata = oidc._client().load_server_metadata()
        assert not {"none", "HS256"} & set(metadata["id_token_signing_alg_values_supported"])
        assert "code_challenge_method=S256" in browser.portal.get(reverse("single-sign-on"))["Location"]
        tried = [(client, "", SECRET) for client in FORGED_TOKENS]
        tried += [(client, "email", SECRET) for client in (verified, *unverified)] + [("portal", "", "wrong")]
        for one in tried:
            settings.OIDC_CLIENT_ID, settings.SIGN_IN_ATTRIBUTE, settings.OIDC_CLIENT_SECRET = one
            browser.portal = Client()
            browser.sign_in()
            assert browser.is_signed_in == (one in accepted), one
        assert_refused(browser, recorded=[(None, "oidc")] * (len(tried) - len(accepted)))
        # The issuer has to be the one of the settings, to the letter.
        settings.OIDC_ISSUER += "/"
        browser.sign_in()
        assert urlsplit(browser.visited[-1]).path == UNAVAILABLE


class TestAProviderOutage:
    def test_after_the_provider_s_form_leaves_the_portal_s_own_form(self, provider, browser, camille):
        """AVL-08: within five seconds; no failure is counted. The key of a restarted provider is fetched at once."""
        Browser().sign_in()
        address = browser.return_address(f"{PORTAL}{reverse('account-sessions')}")
        with provider.frozen():
            began = time.monotonic()
            browser.open(address)
        assert_refused(browser, UNAVAILABLE, recorded=[])
        assert 4.5 < time.monotonic() - began < 7
        provider.kill()
        own_form = re.search(r'href="(/connexion/\?ici[^"]*)"', browser.answer.content.decode())[1]
        own_form = own_form.replace("&amp;", "&")
        assert 'name="password"' in browser.open(f"{PORTAL}{own_form}").content.decode()
        answer = browser.portal.post(own_form, {"login": camille.login, "password": A_GOOD_PASSWORD})
        assert answer["Location"] == reverse("account-sessions")
        assert browser.is_signed_in
        provider.start()
        browser.portal = Client()
        browser.sign_in()
        assert browser.is_signed_in

    def test_before_the_provider_s_form_or_an_html_page_in_its_place(self, provider, browser, camille, settings):
        settings.CAS_URL = settings.OIDC_ISSUER = f"{provider.url}/nowhere"
        secrets = dict.fromkeys(("service", "redirect_uri", "nonce", "code_verifier"), "x")
        save_attempts(browser, {"s": {"next": "/compte/", "language": "fr", "secrets": secrets}})
        browser.open(f"{PORTAL}/connexion/retour/?state=s&ticket=ST-1&code=1")
        assert_refused(browser, UNAVAILABLE, recorded=[])
        settings.SIGN_IN, settings.OIDC_ISSUER = "oidc", f"http://127.0.0.1:{free_port()}/oidc"
        browser.open(f"{PORTAL}/compte/")
        assert_refused(browser, UNAVAILABLE, recorded=[])
        assert browser.portal.get(reverse("single-sign-out"))["Location"] == settings.ENT_URL


def test_logout_of_the_portal_offers_that_of_the_provider(provider, browser, camille):
    """SES-07: a POST ends the portal's session; one more click ends the provider's, which asks again then."""
    browser.sign_in()
    for name in ("single-sign-out", "signed-out"):
        browser.portal.get(reverse(name))
    assert browser.is_signed_in
    answer = browser.portal.post(reverse("logout"))
    assert answer["Location"] == reverse("signed-out")
    assert not browser.is_signed_in
    assert reverse("single-sign-out") in browser.portal.get(answer["Location"]).content.decode()
    page = browser.open(f"{PORTAL}{reverse('single-sign-out')}")
    if "allow" in page.text:
        browser.open(browser.fill_in(page, allow="Logout"))
    filled = browser.forms_filled
    browser.sign_in()
    assert browser.forms_filled == filled + 1
    assert browser.is_signed_in


@at_cas
def test_a_form_posted_without_a_session_leads_to_the_portal_s_own_form(provider, browser, camille):
    """HDR-02: `form-action` of the CSP blocks a form that redirects to another host; the provider is one click further."""
    elsewhere = browser.portal.post(reverse("first-connection"), {"login": "quelqu.un"})
    assert "ici" not in elsewhere["Location"]
    answer = browser.portal.post(reverse("account-language"), {"language": "en"})
    assert answer["Location"] == f"{reverse('login')}?ici=&next={reverse('account-language')}"
    page = browser.portal.get(answer["Location"]).content.decode()
    assert 'name="password"' in page
    assert f'href="{reverse("single-sign-on")}?next=' in page


def test_without_sso_its_addresses_do_not_exist(client):
    for name in ("single-sign-on", "single-sign-on-return", "single-sign-out"):
        assert client.get(reverse(name)).status_code == 404
    assert 'name="password"' in client.get(reverse("login")).content.decode()
