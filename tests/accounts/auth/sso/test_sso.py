"""A university's own CAS or OpenID Connect in front: real providers, walked through as a browser does."""

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
from accounts.auth.sso.services import account_named
from accounts.auth.sso.state import MOST_VISITS, VISITS
from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from config.env import checked_provider_url, checked_sign_in
from core.rate_limits import FAILED_SIGN_INS_PER_CLIENT
from devtools.processes import free_port
from journal.events import Event
from journal.models import JournalEntry
from tests.accounts.auth.sso.providers import lies
from tests.accounts.auth.sso.providers.oidc import ASKS_FOR_CONSENT
from tests.accounts.auth.sso.providers.running import PORTAL, Browser
from tests.accounts.auth.sso.providers.serving import ADDRESS, USER
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import NEXT
from tests.stack import PROJECT

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("single-sign-on")]

INTERRUPTED = "/connexion/interrompue/"
UNAVAILABLE = "/connexion/indisponible/"
NOBODY = "/connexion/sans-compte/"
BELIEVED = {"names-in-userinfo", "address-not-verified"}


@pytest.fixture(params=["cas", "oidc"])
def provider(request):
    """Each provider in turn."""
    return request.getfixturevalue(f"at_{request.param}")


@pytest.fixture
def camille() -> Account:
    """The person whom both providers know."""
    return active_account(uid=USER, institutional_address=ADDRESS.lower())


def failures() -> list[tuple[int | None, str]]:
    rows = JournalEntry.objects.filter(event=Event.SIGN_IN_FAILED).order_by("pk")
    return [(row.account_id, row.details["by"]) for row in rows]


def changed(address: str, **query: str) -> str:
    """The address with other values in its query."""
    parts = urlsplit(address)
    values = {name: value for name, [value] in parse_qs(parts.query).items()}
    return parts._replace(query=urlencode({**values, **query})).geturl()


class TestWhoComesFromTheEnt:
    def test_is_not_asked_twice(self, provider, browser, camille, settings):
        """The provider's form once; then neither it nor the portal asks anything, in a new session of the portal too."""
        first = browser.sign_in(f"{PORTAL}/compte/")
        assert first.status_code == 200
        assert camille.login in first.content.decode()
        assert browser.asked == 1

        browser.portal = Client()
        second = browser.sign_in(f"{PORTAL}/compte/")

        assert camille.login in second.content.decode()
        assert browser.asked == 1
        entries = camille.journal.filter(event=Event.SIGNED_IN)
        assert [entry.details for entry in entries] == [{"by": settings.SIGN_IN}] * 2
        assert failures() == []

    def test_comes_to_the_page_that_was_wanted(self, provider, browser, camille):
        browser.sign_in(f"{PORTAL}{reverse('account-sessions')}")

        assert browser.is_signed_in
        assert browser.last_page == reverse("account-sessions")

    @pytest.mark.parametrize("target", NEXT)
    def test_is_never_sent_outside(self, at_cas, browser, camille, target):
        """INP-08, the NEXT pack."""
        browser.sign_in(f"{PORTAL}/connexion/?{urlencode({'next': target})}")

        assert browser.is_signed_in
        assert urlsplit(browser.went_to[-1]).netloc == urlsplit(PORTAL).netloc

    def test_reads_on_in_the_language_of_the_account(self, provider, browser):
        active_account(uid=USER, institutional_address=ADDRESS.lower(), language="en")

        browser.sign_in(f"{PORTAL}/en/compte/")

        assert browser.last_page == "/en/compte/"

    def test_has_an_address_bar_without_ticket_or_code(self, provider, browser, camille):
        """TOK-09."""
        browser.sign_in()

        assert urlsplit(browser.went_to[-1]).query == ""
        assert "connexion/retour/" in browser.went_to[-2]

    def test_is_asked_for_the_password_before_a_change(self, provider, browser, camille):
        """SES-08: the provider says who somebody is, not that they have just given the portal's password."""
        browser.sign_in()

        assert CONFIRMED_AT not in browser.portal.session
        assert "current_password" in browser.open(f"{PORTAL}{reverse('account-password')}").content.decode()

    def test_gets_a_new_session(self, provider, browser, camille):
        """SES-01: a planted session stays anonymous, and nothing of it is kept."""
        browser.portal.post(reverse("first-connection"), {"login": "quelqu.un"})
        planted = browser.portal.session.session_key

        browser.sign_in()

        assert browser.is_signed_in
        assert browser.portal.session.session_key != planted
        assert VISITS not in browser.portal.session
        assert not Session.objects.filter(session_key=planted).exists()

    def test_may_have_several_tabs(self, provider, browser, camille):
        """Each tab has its own visit; whichever comes back first signs in."""
        older = browser.way_back(f"{PORTAL}/connexion/?next={reverse('account-sessions')}")
        browser.open(f"{PORTAL}/connexion/")

        browser.open(older)

        assert browser.is_signed_in

    def test_a_session_remembers_few_visits(self, at_cas, browser):
        for _ in range(MOST_VISITS + 3):
            browser.portal.get(reverse("single-sign-on"))

        assert len(browser.portal.session[VISITS]) == MOST_VISITS


class TestTheName:
    @pytest.mark.parametrize("attribute", ["", "mail"])
    def test_of_cas_is_the_user_or_an_attribute(self, at_cas, browser, camille, settings, attribute):
        settings.SIGN_IN_ATTRIBUTE = attribute
        browser.sign_in()
        assert browser.is_signed_in

    @pytest.mark.parametrize("attribute", ["", "preferred_username", "email"])
    def test_of_openid_connect_is_a_claim(self, at_oidc, browser, camille, settings, attribute):
        settings.SIGN_IN_ATTRIBUTE = attribute
        browser.sign_in()
        assert browser.is_signed_in

    def test_an_attribute_that_is_not_sent_is_nobody_s_fault(self, provider, browser, camille, settings):
        """The portal's form stays, and nobody is slowed down."""
        settings.SIGN_IN_ATTRIBUTE = "eduPersonPrincipalName"
        browser.sign_in()
        assert browser.last_page == UNAVAILABLE
        assert not browser.is_signed_in
        assert failures() == []

    @pytest.mark.parametrize("name", ["cdurand", "CDurand", ADDRESS, ADDRESS.upper(), f" {ADDRESS} "])
    def test_is_a_short_name_or_an_institutional_address_in_any_case(self, camille, name):
        assert account_named(name) == camille

    @pytest.mark.parametrize(
        "name",
        [
            "durand",
            "cdurand ",
            "cdurand\0",
            "\u0441durand",
            "c\u212adurand",
            "camille.durand",
            "camille.durand@exemple.net",
            "camille.durand@univ-exemple.fr\0",
            "camille.durand@un\u0131v-exemple.fr",
            "@",
            "cdurand@",
            "%",
            "x" * 5000,
        ],
    )
    def test_means_nobody_else(self, camille, name):
        """INP-03: no look-alike, no other domain, nothing that a database chokes on."""
        assert account_named(name) is None

    def test_is_never_a_private_address(self, camille):
        """HLP-07: the recovery address proves nothing here."""
        assert account_named(camille.recovery_address) is None


class TestWhoHasNoActiveAccount:
    @pytest.mark.parametrize("state", ["unknown", "pending", "closed", "to reactivate"])
    def test_reads_one_same_page(self, provider, browser, settings, state):
        """ENU-02: and is told the three ways out."""
        yesterday = timezone.localdate() - timedelta(days=1)
        person = {
            "unknown": lambda: None,
            "pending": lambda: pending_account(uid=USER),
            "closed": lambda: active_account(uid=USER, end_date=yesterday),
            "to reactivate": lambda: active_account(uid=USER, password=None),
        }[state]()

        page = browser.sign_in()

        assert browser.last_page == NOBODY
        assert browser.went_to[-1] == f"{PORTAL}{NOBODY}"
        assert page.status_code == 200
        for way_out in (f"{reverse('login')}?ici", reverse("first-connection"), reverse("locked-help")):
            assert way_out in page.content.decode()
        assert not browser.is_signed_in
        assert failures() == [(person and person.pk, settings.SIGN_IN)]

    def test_is_told_of_a_lock(self, provider, browser, camille, settings):
        """HLP-01: the provider has proved who they are."""
        lock_account(account=camille, reason=LockReason.PHISHING)

        browser.sign_in()

        assert browser.last_page == reverse("locked-help")
        assert not browser.is_signed_in
        assert failures() == [(camille.pk, settings.SIGN_IN)]

    def test_a_lock_ends_the_session_at_once(self, provider, browser, camille):
        """SES-05."""
        browser.sign_in()

        lock_account(account=camille, reason=LockReason.PHISHING)

        assert browser.portal.get(reverse("account")).status_code == 302


class TestForgery:
    def test_an_answer_brought_twice_signs_in_once(self, provider, browser, camille):
        """The visit has ended with the first."""
        address = browser.way_back()
        browser.open(address)
        assert browser.is_signed_in
        browser.portal.post(reverse("logout"))

        browser.open(address)

        assert browser.last_page == INTERRUPTED
        assert not browser.is_signed_in

    def test_a_ticket_used_before_is_refused_by_the_provider(self, provider, browser, camille, settings):
        """Replay: with a visit that is open, the provider itself says no."""
        address = browser.way_back()
        planted = browser.portal.session[VISITS]
        browser.open(address)
        browser.portal.post(reverse("logout"))
        session = browser.portal.session
        session[VISITS] = planted
        session.save()
        browser.portal.cookies["sessionid"] = session.session_key

        browser.open(address)

        assert browser.last_page == INTERRUPTED
        assert not browser.is_signed_in
        assert failures() == [(None, settings.SIGN_IN)]

    @pytest.mark.parametrize("state", ["", "made-up", "x" * 3000, "\0", "é"])
    def test_a_made_up_state_is_refused_unasked(self, provider, browser, camille, state):
        """Whoever makes pages that call this address writes nothing into the journal and slows nobody down (ENU-07)."""
        address = browser.way_back()

        answer = browser.open(changed(address, state=state))

        assert browser.last_page == INTERRUPTED
        assert answer.status_code == 200
        assert not browser.is_signed_in
        assert failures() == []

    def test_the_answer_to_somebody_else_s_visit_is_refused(self, provider, browser, camille):
        """Login CSRF: an attacker's way back, opened by a victim who has a visit of their own."""
        address = browser.way_back()
        victim = Browser()
        victim.portal.get(reverse("single-sign-on"))

        victim.open(address)

        assert victim.last_page == INTERRUPTED
        assert not victim.is_signed_in

    @pytest.mark.parametrize("forged", ["", "ST-made-up", "x" * 3000, "\0", "é", "<a>", "&ticket=ST-1"])
    def test_a_made_up_ticket_or_code_is_refused(self, provider, browser, camille, settings, forged):
        address = browser.way_back()

        answer = browser.open(changed(address, ticket=forged, code=forged))

        assert browser.last_page == INTERRUPTED
        assert answer.status_code == 200
        assert not browser.is_signed_in
        assert failures() == [(None, settings.SIGN_IN)]

    def test_an_answer_without_anything_is_refused(self, provider, browser, camille):
        browser.open(f"{PORTAL}{reverse('single-sign-on-return')}")

        assert browser.last_page == INTERRUPTED
        assert not browser.is_signed_in

    def test_a_ticket_for_another_service_is_refused(self, at_cas, browser, camille):
        """The state is part of what the ticket is good for: swapped visits fail at CAS itself."""
        ticket = parse_qs(urlsplit(browser.way_back()).query)["ticket"][0]
        other_visit = urlsplit(browser.portal.get(reverse("single-sign-on"))["Location"]).query
        service = parse_qs(other_visit)["service"][0]

        browser.open(changed(service, ticket=ticket))

        assert browser.last_page == INTERRUPTED
        assert not browser.is_signed_in

    @pytest.mark.parametrize("lie", sorted(set(lies.LIES) - BELIEVED))
    def test_a_token_that_is_not_right_signs_nobody_in(self, at_oidc, browser, camille, settings, lie):
        """Wrong signature, key, time, issuer, audience or nonce."""
        settings.OIDC_CLIENT_ID = lie

        browser.sign_in()

        assert browser.last_page == INTERRUPTED
        assert not browser.is_signed_in
        assert failures() == [(None, "oidc")]

    def test_a_claim_may_come_with_the_user_information(self, at_oidc, browser, camille, settings):
        settings.OIDC_CLIENT_ID = "names-in-userinfo"

        browser.sign_in()

        assert browser.is_signed_in

    @pytest.mark.parametrize(("attribute", "believed"), [("", True), ("email", False)])
    def test_an_address_that_the_provider_has_not_verified_names_nobody(
        self, at_oidc, browser, camille, settings, attribute, believed
    ):
        settings.OIDC_CLIENT_ID, settings.SIGN_IN_ATTRIBUTE = "address-not-verified", attribute

        browser.sign_in()

        assert browser.is_signed_in == believed

    def test_a_provider_that_calls_itself_something_else_is_not_asked(self, at_oidc, browser, settings):
        settings.OIDC_ISSUER = at_oidc.url + "/oidc/"

        browser.sign_in()

        assert browser.last_page == UNAVAILABLE

    def test_the_secret_of_the_portal_is_needed(self, at_oidc, browser, camille, settings):
        settings.OIDC_CLIENT_SECRET = "wrong"

        browser.sign_in()

        assert browser.last_page == INTERRUPTED
        assert not browser.is_signed_in

    def test_whoever_tries_too_often_waits(self, at_cas, browser, camille):
        """ENU-07: the provider is not asked any more."""
        address = browser.way_back()
        for _ in range(100):
            FAILED_SIGN_INS_PER_CLIENT.count("127.0.0.1")

        answer = browser.open(changed(address, ticket="ST-made-up"))

        assert answer.status_code == 429
        assert failures() == []


class TestCancelling:
    def test_leads_back_with_every_way_open(self, at_oidc, browser, camille, settings):
        settings.OIDC_CLIENT_ID = ASKS_FOR_CONSENT
        page = browser.open(f"{PORTAL}{reverse('account-sessions')}")
        consent = browser.open(browser.fill_in(page))
        # Pressing "Cancel" leaves "allow" out.
        page = browser.open(browser.fill_in(consent, scope="openid profile email"))

        assert browser.last_page == INTERRUPTED
        assert page.status_code == 200
        again, own_form = (f"{reverse('login')}?{query}next={reverse('account-sessions')}" for query in ("", "ici=&"))
        html = page.content.decode().replace("%2F", "/").replace("&amp;", "&")
        assert f'href="{again}"' in html
        assert f'href="{own_form}"' in html
        assert not browser.is_signed_in


class TestAProviderInTrouble:
    def test_that_is_gone_on_the_way_back(self, provider, browser, camille):
        """AVL-08: no error page, nobody signed in, the portal's own form works; nobody is slowed down."""
        address = browser.way_back(f"{PORTAL}{reverse('account-sessions')}")
        provider.kill()

        page = browser.open(address)

        assert browser.last_page == UNAVAILABLE
        assert page.status_code == 200
        assert not browser.is_signed_in
        assert failures() == []
        own_form = re.search(r'href="(/connexion/\?ici[^"]*)"', page.content.decode())[1].replace("&amp;", "&")
        assert 'name="password"' in browser.open(f"{PORTAL}{own_form}").content.decode()
        answer = browser.portal.post(own_form, {"login": camille.login, "password": A_GOOD_PASSWORD})
        assert answer["Location"] == reverse("account-sessions")
        assert browser.is_signed_in

    def test_that_hangs_on_the_way_back_is_not_waited_for(self, provider, browser, camille):
        """AVL-08: five seconds."""
        address = browser.way_back()
        provider.freeze()
        began = time.monotonic()
        try:
            browser.open(address)
        finally:
            provider.thaw()

        assert browser.last_page == UNAVAILABLE
        assert not browser.is_signed_in
        assert 4.5 < time.monotonic() - began < 7

    def test_that_is_not_there_at_the_start(self, browser, at_oidc, settings):
        settings.OIDC_ISSUER = f"http://127.0.0.1:{free_port()}/oidc"

        page = browser.open(f"{PORTAL}/compte/")

        assert browser.last_page == UNAVAILABLE
        assert page.status_code == 200

    def test_that_speaks_nonsense(self, provider, browser, camille, settings):
        """A page for people where an answer for programs should be: the wrong address in the settings."""
        settings.CAS_URL = settings.OIDC_ISSUER = f"{provider.url}/nowhere"
        state = "s"
        session = browser.portal.session
        session[VISITS] = {state: {"next": "/compte/", "language": "fr", "secrets": {"service": "x", "nonce": "n"}}}
        session.save()
        browser.portal.cookies["sessionid"] = session.session_key

        page = browser.open(f"{PORTAL}/connexion/retour/?state={state}&ticket=ST-1&code=1")

        assert page.status_code == 200
        assert browser.last_page in {UNAVAILABLE, INTERRUPTED}
        assert not browser.is_signed_in

    def test_a_new_key_is_fetched_at_once(self, at_oidc, browser, camille):
        """Each start of this provider makes another key."""
        browser.sign_in()
        at_oidc.kill()
        at_oidc.start()
        browser.portal = Client()

        browser.sign_in()

        assert browser.is_signed_in


class TestSigningOut:
    def test_says_that_the_provider_still_knows_the_person(self, provider, browser, camille):
        """SES-07: a POST ends the portal's session; the provider's is one click further."""
        browser.sign_in()

        answer = browser.portal.post(reverse("logout"))

        assert answer["Location"] == reverse("signed-out")
        assert not browser.is_signed_in
        assert reverse("single-sign-out") in browser.portal.get(answer["Location"]).content.decode()

    def test_at_the_provider_too_makes_it_ask_again(self, provider, browser, camille):
        browser.sign_in()
        browser.portal.post(reverse("logout"))

        page = browser.open(f"{PORTAL}{reverse('single-sign-out')}")
        if "allow" in page.text:
            browser.open(browser.fill_in(page, allow="Logout"))
        asked = browser.asked
        browser.sign_in()

        assert browser.asked == asked + 1
        assert browser.is_signed_in

    def test_no_get_ends_the_session_of_the_portal(self, provider, browser, camille):
        """SES-07."""
        browser.sign_in()

        browser.portal.get(reverse("single-sign-out"))
        browser.portal.get(reverse("signed-out"))

        assert browser.is_signed_in

    def test_leads_to_the_ent_where_the_provider_names_no_way_out(self, browser, at_oidc, settings):
        settings.OIDC_ISSUER = f"http://127.0.0.1:{free_port()}/oidc"

        assert browser.portal.get(reverse("single-sign-out"))["Location"] == settings.ENT_URL


class TestFormsSentWithoutASession:
    def test_lead_to_the_form_of_the_portal(self, provider, browser, camille):
        """HDR-02: the CSP lets no form lead to another host, not by redirects either; the provider is a click away."""
        browser.sign_in()
        Session.objects.all().delete()

        answer = browser.portal.post(reverse("account-language"), {"language": "en"})
        page = browser.portal.get(answer["Location"]).content.decode()

        assert answer["Location"] == f"{reverse('login')}?ici=&next={reverse('account-language')}"
        assert 'name="password"' in page
        assert f'href="{reverse("single-sign-on")}?next=' in page

    def test_go_on_to_every_other_page(self, provider, browser, camille):
        answer = browser.portal.post(reverse("first-connection"), {"login": "quelqu.un"})

        assert "ici" not in answer["Location"]


class TestTheWayThere:
    def test_has_pkce_state_and_nonce(self, at_oidc, browser):
        there = parse_qs(urlsplit(browser.portal.get(reverse("single-sign-on"))["Location"]).query)

        assert there["redirect_uri"] == [f"{PORTAL}/connexion/retour/"]
        assert there["response_type"] == ["code"]
        assert there["code_challenge_method"] == ["S256"]
        assert {"code_challenge", "state", "nonce"} <= set(there)
        assert len(there["state"][0]) >= 43

    def test_is_the_same_in_every_language(self, provider, browser):
        """Providers know one address."""
        leaving = browser.portal.get("/en/connexion/fournisseur/")["Location"]

        assert "/en/" not in leaving

    @pytest.mark.parametrize("name", ["single-sign-on", "single-sign-on-return", "single-sign-out"])
    @pytest.mark.parametrize("method", ["head", "post", "put", "delete"])
    def test_is_gone_with_get_only(self, at_cas, browser, name, method):
        """A HEAD would use up a ticket."""
        assert getattr(browser.portal, method)(reverse(name)).status_code == 405


class TestSwitchedOff:
    @pytest.mark.parametrize("name", ["single-sign-on", "single-sign-on-return", "single-sign-out"])
    def test_the_way_to_the_provider_does_not_exist(self, client, name):
        assert client.get(reverse(name)).status_code == 404

    def test_signing_in_and_out_are_as_ever(self, client):
        person = active_account()

        assert 'name="password"' in client.get(reverse("login")).content.decode()
        client.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})
        assert client.post(reverse("logout"))["Location"] == reverse("home")

    def test_no_library_of_a_provider_is_loaded(self):
        code = "import django; django.setup(); import config.urls, sys; print({'authlib', 'cas'} & set(sys.modules))"
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}

        done = subprocess.run(
            [sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True
        )

        assert done.stdout.strip() == "set()", done.stderr


class TestSettings:
    @pytest.mark.parametrize(
        ("sign_in", "needed"),
        [("cas", ["CAS_URL"]), ("oidc", ["OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"])],
    )
    def test_what_is_missing_is_named_at_once(self, sign_in, needed):
        """SUP-02."""
        with pytest.raises(ImproperlyConfigured) as refused:
            checked_sign_in({}, sign_in)
        assert all(name in str(refused.value) for name in needed)
        assert checked_sign_in(dict.fromkeys(needed, "x"), sign_in) == sign_in

    @pytest.mark.parametrize("sign_in", ["", "CAS", "saml", "true"])
    def test_another_word_is_refused(self, sign_in):
        with pytest.raises(ImproperlyConfigured, match="SIGN_IN"):
            checked_sign_in({}, sign_in)

    @pytest.mark.parametrize("url", ["http://cas.univ-exemple.fr", "cas.univ-exemple.fr", "https://", "https://a/?b=c"])
    def test_a_provider_is_believed_over_https_only(self, url):
        """TOK-08."""
        with pytest.raises(ImproperlyConfigured, match="CAS_URL"):
            checked_provider_url("CAS_URL", url, debug=False)

    @pytest.mark.parametrize("url", ["", "https://cas.univ-exemple.fr/cas/"])
    def test_an_address_is_kept_to_the_letter(self, url):
        """An issuer is compared with what the provider calls itself."""
        assert checked_provider_url("OIDC_ISSUER", url, debug=False) == url
