"""Single sign-on: real CAS and OpenID Connect providers, followed as a browser does."""

import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.auth.sessions import CONFIRMED_AT
from accounts.auth.sso import oidc
from accounts.auth.sso.services import account_named
from accounts.auth.sso.state import LOGIN_ATTEMPTS, MAX_LOGIN_ATTEMPTS
from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from config.env import checked_provider_url, checked_sign_in
from core.rate_limits import FAILED_SIGN_INS_PER_CLIENT
from devtools.processes import free_port
from journal.events import Event
from journal.models import JournalEntry
from tests.accounts.auth.sso.providers.browser import PORTAL, Browser
from tests.accounts.auth.sso.providers.forged_tokens import BY_CLIENT_ID
from tests.accounts.auth.sso.providers.oidc import ASKS_FOR_CONSENT
from tests.accounts.auth.sso.providers.project import ADDRESS, USER
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import NEXT
from tests.signing_in import is_signed_in, submit_login
from tests.stack import PROJECT

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("single-sign-on")]

INTERRUPTED = "/connexion/interrompue/"
UNAVAILABLE = "/connexion/indisponible/"
NO_ACCOUNT = "/connexion/sans-compte/"
ACCEPTED = {"names-in-userinfo", "address-not-verified"}
VIEWS = ("single-sign-on", "single-sign-on-return", "single-sign-out")


@pytest.fixture(params=["cas", "oidc"])
def provider(request):
    """Each provider in turn."""
    return request.getfixturevalue(f"at_{request.param}")


@pytest.fixture
def camille() -> Account:
    """The account that both providers name."""
    return active_account(uid=USER, institutional_address=ADDRESS.lower())


def failures() -> list[tuple[int | None, str]]:
    rows = JournalEntry.objects.filter(event=Event.SIGN_IN_FAILED).order_by("pk")
    return [(row.account_id, row.details["by"]) for row in rows]


def with_query(address: str, **query: str) -> str:
    parts = urlsplit(address)
    values = {name: value for name, [value] in parse_qs(parts.query).items()}
    return parts._replace(query=urlencode({**values, **query})).geturl()


def save_attempts(browser: Browser, attempts: dict[str, object]) -> None:
    session = browser.portal.session
    session[LOGIN_ATTEMPTS] = attempts
    session.save()
    browser.portal.cookies["sessionid"] = session.session_key


def assert_refused(browser: Browser, page: str = INTERRUPTED, *, recorded: list[tuple[int | None, str]]) -> None:
    """The page explains why, no session was opened, and the journal holds these failures."""
    assert browser.last_page == page, browser.visited
    assert browser.answer.status_code == 200
    assert not browser.is_signed_in
    assert failures() == recorded


class TestLogin:
    def test_asks_for_no_password_twice(self, provider, browser, camille, settings):
        """TOK-09, SES-08: one form of the provider for two sessions; no ticket or code in the address bar; the portal's
        password stays unconfirmed."""
        browser.sign_in(f"{PORTAL}{reverse('account-sessions')}")
        assert browser.is_signed_in
        assert browser.visited[-1] == f"{PORTAL}{reverse('account-sessions')}"
        assert browser.forms_filled == 1
        assert "connexion/retour/" in browser.visited[-2]
        assert CONFIRMED_AT not in browser.portal.session
        assert "current_password" in browser.open(f"{PORTAL}{reverse('account-password')}").content.decode()

        browser.portal = Client()
        assert camille.login in browser.sign_in(f"{PORTAL}/compte/").content.decode()
        assert browser.forms_filled == 1
        entries = camille.journal.filter(event=Event.SIGNED_IN)
        assert [entry.details for entry in entries] == [{"by": settings.SIGN_IN}] * 2
        assert failures() == []

    def test_never_leads_outside(self, at_cas, browser, camille):
        """INP-08, the NEXT pack."""
        for target in NEXT:
            browser.portal = Client()
            browser.sign_in(f"{PORTAL}/connexion/?{urlencode({'next': target})}")

            assert browser.is_signed_in, target
            assert urlsplit(browser.visited[-1]).netloc == urlsplit(PORTAL).netloc, target

    def test_goes_on_in_the_language_of_the_account_from_one_return_address(self, provider, browser):
        """Providers register one address, whatever the language."""
        active_account(uid=USER, institutional_address=ADDRESS.lower(), language="en")
        assert "/en/" not in browser.portal.get("/en/connexion/fournisseur/")["Location"]

        browser.sign_in(f"{PORTAL}/en/compte/")

        assert browser.last_page == "/en/compte/"

    def test_begins_a_new_session_and_a_lock_ends_it(self, provider, browser, camille):
        """SES-01, SES-05: a planted session stays anonymous and its data is dropped."""
        browser.portal.post(reverse("first-connection"), {"login": "quelqu.un"})
        planted = browser.portal.session.session_key

        browser.sign_in()

        assert browser.is_signed_in
        assert browser.portal.session.session_key != planted
        assert LOGIN_ATTEMPTS not in browser.portal.session
        assert not Session.objects.filter(session_key=planted).exists()
        lock_account(account=camille, reason=LockReason.PHISHING)
        assert not is_signed_in(browser.portal)

    def test_works_from_several_tabs(self, provider, browser, camille):
        """Each tab has its own attempt; a session keeps the last few."""
        older = browser.return_address(f"{PORTAL}/connexion/?next={reverse('account-sessions')}")
        browser.open(f"{PORTAL}/connexion/")
        browser.open(older)
        assert browser.is_signed_in

        browser.portal.post(reverse("logout"))
        for _ in range(MAX_LOGIN_ATTEMPTS + 3):
            browser.portal.get(reverse("single-sign-on"))
        assert len(browser.portal.session[LOGIN_ATTEMPTS]) == MAX_LOGIN_ATTEMPTS

    def test_sends_pkce_state_and_nonce(self, at_oidc, browser):
        query = parse_qs(urlsplit(browser.portal.get(reverse("single-sign-on"))["Location"]).query)

        assert query["redirect_uri"] == [f"{PORTAL}/connexion/retour/"]
        assert query["response_type"] == ["code"]
        assert query["code_challenge_method"] == ["S256"]
        assert {"code_challenge", "state", "nonce"} <= set(query)
        assert len(query["state"][0]) >= 43

    def test_takes_get_only(self, at_cas, browser):
        """A HEAD would use up a ticket."""
        for name in VIEWS:
            for method in ("head", "post", "put", "delete"):
                assert getattr(browser.portal, method)(reverse(name)).status_code == 405, (name, method)


class TestAttribute:
    def test_names_the_account(self, provider, browser, camille, settings):
        attributes = {"cas": ("", "mail"), "oidc": ("", "preferred_username", "email")}
        for attribute in attributes[settings.SIGN_IN]:
            settings.SIGN_IN_ATTRIBUTE, browser.portal = attribute, Client()
            browser.sign_in()
            assert browser.is_signed_in, attribute

    def test_that_is_not_sent_is_an_error_of_the_configuration(self, provider, browser, camille, settings):
        """No failure is counted against the client."""
        settings.SIGN_IN_ATTRIBUTE = "eduPersonPrincipalName"
        browser.sign_in()
        assert_refused(browser, UNAVAILABLE, recorded=[])

    def test_is_a_uid_or_an_institutional_address_and_no_look_alike(self, camille):
        """INP-03, HLP-07: the recovery address identifies no account."""
        for name in ("cdurand", "CDurand", ADDRESS, ADDRESS.upper(), f" {ADDRESS} "):
            assert account_named(name) == camille, name
        for name in (
            "durand",
            "cdurand ",
            "cdurand\0",
            "\u0441durand",
            "c\u212adurand",
            "camille.durand",
            "camille.durand@exemple.net",
            "camille.durand@univ-exemple.fr\0",
            "camille.durand@un\u0131v-exemple.fr",
            camille.recovery_address,
            "@",
            "cdurand@",
            "%",
            "x" * 5000,
        ):
            assert account_named(name) is None, name


class TestAnInactiveAccount:
    def test_gets_one_same_page_in_every_state(self, at_cas, browser):
        """ENU-02: with the three ways to go on."""
        yesterday = timezone.localdate() - timedelta(days=1)
        recorded = []
        for make in (
            lambda: None,
            lambda: pending_account(uid=USER),
            lambda: active_account(uid=USER, end_date=yesterday),
            lambda: active_account(uid=USER, password=None),
        ):
            person = make()
            page = browser.sign_in()

            recorded.append((person and person.pk, "cas"))
            assert_refused(browser, NO_ACCOUNT, recorded=recorded)
            assert browser.visited[-1] == f"{PORTAL}{NO_ACCOUNT}"
            for way_out in (f"{reverse('login')}?ici", reverse("first-connection"), reverse("locked-help")):
                assert way_out in page.content.decode()
            Account.objects.filter(uid=USER).update(uid=f"renamed{len(recorded)}")

    def test_gets_the_help_page_if_it_is_locked(self, provider, browser, camille, settings):
        """HLP-01: the provider has proved the identity."""
        lock_account(account=camille, reason=LockReason.PHISHING)

        browser.sign_in()

        assert_refused(browser, reverse("locked-help"), recorded=[(camille.pk, settings.SIGN_IN)])


class TestForgery:
    def test_a_replayed_answer_is_refused_by_the_portal_then_by_the_provider(
        self, provider, browser, camille, settings
    ):
        """The attempt ends with its first answer; were it still open, the provider itself refuses the ticket or code."""
        address = browser.return_address()
        attempts = browser.portal.session[LOGIN_ATTEMPTS]
        browser.open(address)
        assert browser.is_signed_in
        browser.portal.post(reverse("logout"))

        browser.open(address)
        assert_refused(browser, recorded=[])

        save_attempts(browser, attempts)
        browser.open(address)
        assert_refused(browser, recorded=[(None, settings.SIGN_IN)])

    def test_a_made_up_state_is_refused_without_asking_the_provider(self, provider, browser, camille):
        """ENU-07: pages of an attacker that call this address write nothing to the journal and throttle no client."""
        address = browser.return_address()
        for forged in ("", "made-up", "x" * 3000, "\0", "é"):
            browser.open(with_query(address, state=forged))
            assert_refused(browser, recorded=[])
        browser.open(f"{PORTAL}{reverse('single-sign-on-return')}")
        assert_refused(browser, recorded=[])

    def test_an_answer_to_another_browser_is_refused(self, provider, browser, camille):
        """Login CSRF: the attacker's return address, opened by a victim with an attempt of their own."""
        address = browser.return_address()
        victim = Browser()
        victim.portal.get(reverse("single-sign-on"))

        victim.open(address)

        assert_refused(victim, recorded=[])

    def test_a_made_up_ticket_or_code_is_refused(self, provider, browser, camille, settings):
        recorded = []
        for forged in ("", "ST-made-up", "x" * 3000, "\0", "é", "<a>", "&ticket=ST-1"):
            browser.portal.get(reverse("single-sign-on"))
            [*_, state] = browser.portal.session[LOGIN_ATTEMPTS]
            query = urlencode({"state": state, "ticket": forged, "code": forged})
            recorded.append((None, settings.SIGN_IN))
            # The second time the attempt has ended: the provider is not asked.
            for _ in range(2):
                browser.open(f"{PORTAL}{reverse('single-sign-on-return')}?{query}")
                assert_refused(browser, recorded=recorded)

    def test_a_ticket_for_another_attempt_is_refused(self, at_cas, browser, camille):
        """The state is part of the service that CAS made the ticket for."""
        ticket = parse_qs(urlsplit(browser.return_address()).query)["ticket"][0]
        other_attempt = urlsplit(browser.portal.get(reverse("single-sign-on"))["Location"]).query
        service = parse_qs(other_attempt)["service"][0]

        browser.open(with_query(service, ticket=ticket))

        assert_refused(browser, recorded=[(None, "cas")])

    def test_a_token_with_a_wrong_claim_or_signature_is_refused(self, at_oidc, browser, camille, settings):
        """Signature, key, time, issuer, audience, nonce, user information of another subject."""
        recorded = []
        metadata = oidc._client().load_server_metadata()
        assert not {"none", "HS256"} & set(metadata["id_token_signing_alg_values_supported"])
        for client_id in sorted(set(BY_CLIENT_ID) - ACCEPTED):
            settings.OIDC_CLIENT_ID = client_id
            browser.sign_in()

            recorded.append((None, "oidc"))
            assert_refused(browser, recorded=recorded)

    def test_a_claim_may_come_with_the_user_information(self, at_oidc, browser, camille, settings):
        settings.OIDC_CLIENT_ID = "names-in-userinfo"

        browser.sign_in()

        assert browser.is_signed_in

    def test_an_address_that_the_provider_has_not_verified_names_no_account(self, at_oidc, browser, camille, settings):
        settings.OIDC_CLIENT_ID = "address-not-verified"
        for attribute, accepted in (("", True), ("email", False)):
            settings.SIGN_IN_ATTRIBUTE, browser.portal = attribute, Client()
            browser.sign_in()
            assert browser.is_signed_in == accepted, attribute

    def test_the_issuer_and_the_client_secret_must_be_those_of_the_settings(self, at_oidc, browser, camille, settings):
        settings.OIDC_CLIENT_SECRET = "wrong"
        browser.sign_in()
        assert_refused(browser, recorded=[(None, "oidc")])

        settings.OIDC_ISSUER = at_oidc.url + "/oidc/"
        browser.sign_in()
        assert browser.last_page == UNAVAILABLE

    def test_a_client_that_fails_too_often_is_throttled(self, at_cas, browser, camille):
        """ENU-07: the provider is not asked any more."""
        address = browser.return_address()
        for _ in range(100):
            FAILED_SIGN_INS_PER_CLIENT.count("127.0.0.1")

        assert browser.open(with_query(address, ticket="ST-made-up")).status_code == 429
        assert failures() == []


def test_cancelling_at_the_provider_leads_back_with_both_ways_to_log_in(at_oidc, browser, camille, settings):
    settings.OIDC_CLIENT_ID = ASKS_FOR_CONSENT
    page = browser.open(f"{PORTAL}{reverse('account-sessions')}")
    consent = browser.open(browser.fill_in(page))
    # The "Cancel" button leaves "allow" out.
    page = browser.open(browser.fill_in(consent, scope="openid profile email"))

    assert_refused(browser, recorded=[(None, "oidc")])
    html = page.content.decode().replace("%2F", "/").replace("&amp;", "&")
    for query in ("", "ici=&"):
        assert f'href="{reverse("login")}?{query}next={reverse("account-sessions")}"' in html


class TestAProviderOutage:
    def test_after_the_provider_s_form_leaves_the_portal_s_own_form(self, provider, browser, camille):
        """AVL-08: no error page, and no failure counted against the client."""
        address = browser.return_address(f"{PORTAL}{reverse('account-sessions')}")
        provider.kill()

        page = browser.open(address)

        assert_refused(browser, UNAVAILABLE, recorded=[])
        own_form = re.search(r'href="(/connexion/\?ici[^"]*)"', page.content.decode())[1].replace("&amp;", "&")
        assert 'name="password"' in browser.open(f"{PORTAL}{own_form}").content.decode()
        answer = browser.portal.post(own_form, {"login": camille.login, "password": A_GOOD_PASSWORD})
        assert answer["Location"] == reverse("account-sessions")
        assert browser.is_signed_in

    def test_without_an_answer_ends_after_five_seconds(self, provider, browser, camille):
        """AVL-08"""
        address = browser.return_address()
        provider.freeze()
        began = time.monotonic()
        try:
            browser.open(address)
        finally:
            provider.thaw()

        assert_refused(browser, UNAVAILABLE, recorded=[])
        assert 4.5 < time.monotonic() - began < 7

    def test_before_the_provider_s_form(self, browser, at_oidc, settings):
        settings.OIDC_ISSUER = f"http://127.0.0.1:{free_port()}/oidc"

        browser.open(f"{PORTAL}/compte/")

        assert_refused(browser, UNAVAILABLE, recorded=[])
        assert browser.portal.get(reverse("single-sign-out"))["Location"] == settings.ENT_URL

    def test_that_answers_an_html_page(self, provider, browser, camille, settings):
        """As with a wrong address in the settings."""
        settings.CAS_URL = settings.OIDC_ISSUER = f"{provider.url}/nowhere"
        attempt = {"next": "/compte/", "language": "fr", "secrets": {"service": "x", "nonce": "n"}}
        save_attempts(browser, {"s": attempt})

        page = browser.open(f"{PORTAL}/connexion/retour/?state=s&ticket=ST-1&code=1")

        assert page.status_code == 200
        assert browser.last_page in {UNAVAILABLE, INTERRUPTED}
        assert not browser.is_signed_in

    def test_after_which_the_provider_has_a_new_key(self, at_oidc, browser, camille):
        """Each start of this provider makes another key, which the portal fetches at once."""
        browser.sign_in()
        at_oidc.kill()
        at_oidc.start()
        browser.portal = Client()

        browser.sign_in()

        assert browser.is_signed_in


class TestLogout:
    def test_of_the_portal_offers_that_of_the_provider(self, provider, browser, camille):
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


def test_a_form_posted_without_a_session_leads_to_the_portal_s_own_form(at_cas, browser, camille):
    """HDR-02: `form-action` of the CSP blocks a form that redirects to another host; the provider is one click further."""
    elsewhere = browser.portal.post(reverse("first-connection"), {"login": "quelqu.un"})
    browser.sign_in()
    Session.objects.all().delete()

    answer = browser.portal.post(reverse("account-language"), {"language": "en"})
    page = browser.portal.get(answer["Location"]).content.decode()

    assert answer["Location"] == f"{reverse('login')}?ici=&next={reverse('account-language')}"
    assert 'name="password"' in page
    assert f'href="{reverse("single-sign-on")}?next=' in page
    assert "ici" not in elsewhere["Location"]


class TestWithoutSso:
    def test_its_addresses_do_not_exist_and_login_is_the_portal_s_own(self, client):
        person = active_account()

        assert [client.get(reverse(name)).status_code for name in VIEWS] == [404] * 3
        assert 'name="password"' in client.get(reverse("login")).content.decode()
        submit_login(client, person)
        assert client.post(reverse("logout"))["Location"] == reverse("home")

    def test_no_library_of_a_provider_is_loaded(self):
        code = "import django; django.setup(); import config.urls, sys; print({'authlib', 'cas'} & set(sys.modules))"
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}

        done = subprocess.run(
            [sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True
        )

        assert done.stdout.strip() == "set()", done.stderr


class TestSettings:
    def test_a_missing_or_unknown_value_is_named(self):
        """SUP-02"""
        for sign_in, needed in (
            ("cas", ["CAS_URL"]),
            ("oidc", ["OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"]),
        ):
            with pytest.raises(ImproperlyConfigured) as refused:
                checked_sign_in({}, sign_in)
            assert all(name in str(refused.value) for name in needed)
            assert checked_sign_in(dict.fromkeys(needed, "x"), sign_in) == sign_in
        for unknown in ("", "CAS", "saml", "true"):
            with pytest.raises(ImproperlyConfigured, match="SIGN_IN"):
                checked_sign_in({}, unknown)

    def test_a_provider_is_reached_over_https_at_the_exact_address(self):
        """TOK-08: the issuer is compared with what the provider calls itself."""
        for url in ("http://cas.univ-exemple.fr", "cas.univ-exemple.fr", "https://", "https://a/?b=c"):
            with pytest.raises(ImproperlyConfigured, match="CAS_URL"):
                checked_provider_url("CAS_URL", url, debug=False)
        for url in ("", "https://cas.univ-exemple.fr/cas/"):
            assert checked_provider_url("OIDC_ISSUER", url, debug=False) == url
