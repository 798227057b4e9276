"""What is true of every answer: its headers, its errors, who may ask, and from where. `tests/hostile` asks every address
and sends every form, and looks at the headers of each answer too."""

import re
from collections.abc import Iterator

import pytest
from django.conf import settings as portal
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path, reverse
from django.utils import timezone, translation

import config.urls
from activation.links import activation_link
from core.client_ip import client_address, is_trusted_proxy
from core.rate_limits import client_key
from tests.factories import active_account, pending_account
from tests.fuzz.rendered_forms import InlineCodeParser
from tests.fuzz.routes import routes
from tests.headers import assert_headers
from tests.mail_delivery import html_of, text_of

pytestmark = pytest.mark.django_db

PUBLIC = {
    *("alive", "ready", "metrics"),
    *("home", "help", "accessibility", "privacy", "legal", "sitemap", "locked-help", "directory"),
    *("single-sign-on", "single-sign-on-return", "single-sign-out", "signed-out"),
    *("single-sign-on-interrupted", "single-sign-on-unavailable", "single-sign-on-nobody"),
    *("login", "first-connection", "first-connection-answer"),
    *("assistance", "assistance-sent"),
    *("forgotten-password", "forgotten-password-answer", "password-reset-new-link"),
    *("password-reset-link", "password-reset", "password-reset-done"),
    *("redirection", "redirection-link", "recovery-address", "recovery-address-link"),
    *("not-me", "not-me-link", "not-me-done"),
    *("activation", "activation-link", "activation-not-me", "activation-new-link", "activation-keep-alive"),
    *("reactivation", "reactivation-link", "reactivation-done", "reactivation-new-link", "locks-api"),
    *("activation-charter", "activation-charter-refused", "activation-directory", "activation-mailbox"),
    *("activation-verification", "activation-verification-state", "activation-verification-resend"),
    *("activation-password", "activation-done"),
    *("reminders", "reminders-link", "reminders-stopped"),
}


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("details that nobody may read: SELECT * FROM accounts")


def forbids(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("details that nobody may read")


for view in (fails, forbids):
    view.login_required = False
provoked = [path("panne/", fails), path("interdit/", forbids)]
urlpatterns = [*provoked, path("en/", include(provoked)), *config.urls.urlpatterns]
handler400, handler403 = config.urls.handler400, config.urls.handler403
handler404, handler500 = config.urls.handler404, config.urls.handler500


@pytest.fixture(autouse=True)
def activate_french() -> Iterator[None]:
    with translation.override("fr"):
        yield


@pytest.fixture
def browser() -> Client:
    """Sees an error page where a test would see the exception."""
    return Client(raise_request_exception=False)


@pytest.fixture
def production(settings) -> None:
    """What DEBUG decides, as it is without DEBUG."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"


class TestHeaders:
    def test_of_errors(self, browser, settings):
        """HDR-05: in the language of the address, with a reference for the support; nothing of the inside is told. The
        others are pages of `tests/pages.py`, and 503 is in `test_without_database.py`."""
        for language, space in [("fr", ""), ("en", "/en")]:
            for address, status in [
                ("/nulle-part/", 404),
                ("/panne/", 500),
                ("/interdit/", 403),
                ("/activation/nouveau-lien/", 405),
            ]:
                settings.ROOT_URLCONF = __name__
                answer = browser.get(f"{space}{address}", headers={"accept": "text/html,*/*;q=0.8"})
                page = answer.content.decode()
                assert answer.status_code == status
                assert_headers(answer)
                assert f'<html lang="{language}"' in page
                assert answer["X-Request-Id"] in page
                assert "nobody may read" not in page
                assert "Traceback" not in page
                assert InlineCodeParser(page).found == []

    def test_of_what_is_for_machines(self, browser):
        """HDR-03; and who is no browser gets no page with a 405."""
        assert_headers(browser.get("/sante/vivant"))
        assert browser.get("/activation/nouveau-lien/").content == b""

    def test_of_a_link_that_holds_a_secret(self, browser):
        """TOK-09"""
        person = pending_account()
        link = reverse(
            "activation-link", args=[activation_link.token(person, activation_link.deadline(timezone.now()))]
        )
        answer = browser.get(link)
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Location"] == reverse("activation")
        assert_headers(answer)

    def test_https_is_kept_for_a_year(self, production, browser, settings):
        """HDR-03: by whatever answer a browser meets first."""
        settings.ROOT_URLCONF = __name__
        wanted = {"max-age=31536000", "includeSubDomains", "preload"}
        for address in ("/", "/compte/", "/nulle-part/", "/panne/", "/interdit/", "/sante/vivant"):
            answer = browser.get(address, secure=True)
            assert wanted == set(re.split(r";\s*", answer["Strict-Transport-Security"])), address
        answer = browser.get("/", secure=True, headers={"host": "evil.example"})
        assert wanted == set(re.split(r";\s*", answer["Strict-Transport-Security"]))

    def test_static_files_are_public_and_harmless(self, browser):
        answer = browser.get("/static/css/portail.css")
        assert answer.status_code == 200
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert not answer.cookies
        answer.close()


class TestCookies:
    def test_every_cookie_is_bound_to_this_host(self, production):
        """SES-06: name, Secure, HttpOnly, path, no domain, Lax, short."""
        browser = Client()
        names = set()
        for address in (reverse("login"), reverse("first-connection"), reverse("home")):
            names |= self.checked(browser.get(address, secure=True))
        posted = browser.post(reverse("first-connection"), {"login": "x.y"}, secure=True)
        names |= self.checked(posted)
        assert names == {"__Host-sessionid", "__Host-csrftoken"}

    def checked(self, answer: HttpResponse) -> set[str]:
        for cookie in answer.cookies.values():
            assert cookie["secure"]
            assert cookie["httponly"]
            assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Lax")
            assert len(cookie.OutputString()) < 4096
        return set(answer.cookies)

    def test_reading_sets_none(self, browser):
        """PRV-06: who only reads is not followed; each cookie of the other answers is looked at in `tests/hostile`."""
        for name in ["home", "help", "accessibility", "privacy", "legal", "sitemap", "locked-help"]:
            assert not browser.get(reverse(name)).cookies

    def test_a_made_up_session_is_nobody(self, browser):
        """SES-01, §17: never adopted, never an error."""
        for key in ["../../x\x00", "a" * 32, "", "é" * 40, "x" * 5000]:
            browser.cookies[portal.SESSION_COOKIE_NAME] = key
            answer = browser.get(reverse("activation"))
            assert answer.status_code == 410
            assert browser.get(reverse("account")).status_code == 302
            browser.post(reverse("first-connection"), {"login": "x.y"})
            assert browser.cookies[portal.SESSION_COOKIE_NAME].value != key


class TestForms:
    def test_our_own_form_is_taken(self):
        browser = Client(enforce_csrf_checks=True)
        token = self.token_of(browser)
        answer = browser.post(reverse("first-connection"), {"login": "x.y", "csrfmiddlewaretoken": token})
        assert answer.status_code == 302

    def test_nothing_is_exempt_but_the_authenticated_webhook(self):
        """SES-07"""
        exempt = [route.name for route in routes() if getattr(route.pattern.callback, "csrf_exempt", False)]
        assert exempt == ["locks-api"]

    def token_of(self, browser: Client) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(reverse("login")).content.decode())
        assert found
        return found[1]


class TestAccess:
    def test_the_public_pages_are_these_and_no_others(self):
        """ADM-01: a new page is closed until somebody adds it here on purpose."""
        assert {route.name for route in routes() if not route.is_closed} == PUBLIC

    def test_no_file_of_the_project_is_served(self, browser):
        """HDR-05"""
        for address in ["/.git/config", "/.env", "/static/", "/static/../manage.py", "/manage.py", "/media/x"]:
            assert browser.get(address).status_code == 404


class TestHosts:
    def test_an_unknown_host_gets_no_page(self, browser):
        """HDR-05: 400, ours."""
        for host in ["evil.example", "testserver@evil.example", "testserver.evil.example", "a b", "["]:
            answer = browser.get(reverse("login"), headers={"host": host})
            assert answer.status_code == 400
            assert_headers(answer)

    def test_an_unknown_host_is_not_led_to_itself(self, production, browser):
        """HDR-05: not even to its https."""
        answer = browser.get(reverse("login"), headers={"host": "evil.example"})
        assert answer.status_code == 400
        assert_headers(answer)

    def test_no_header_gets_into_a_mail(self, browser, mail_delivery, settings):
        """TOK-08: every address in a mail starts with PORTAL_URL."""
        for headers in [
            {"host": "testserver:4444"},
            {"x-forwarded-host": "evil.example"},
            {"forwarded": "host=evil.example"},
            {"x-forwarded-host": "evil.example", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https"},
            {"x-forwarded-server": "evil.example", "x-original-url": "/evil"},
        ]:
            settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
            person = pending_account()
            assert (
                browser.post(reverse("first-connection"), {"login": person.login}, headers=headers).status_code == 302
            )
            mail = mail_delivery.last_mail()
            whole = text_of(mail) + html_of(mail)
            assert "evil" not in whole
            assert "4444" not in whole
            assert portal.PORTAL_URL in whole

    def test_plain_http_is_led_to_https_whatever_a_stranger_says(self, production, browser):
        """HDR-05: X-Forwarded-Proto of somebody who is no proxy of ours is not believed."""
        answer = browser.get("/aide/", headers={"x-forwarded-proto": "https"}, REMOTE_ADDR="203.0.113.7")
        assert (answer.status_code, answer["Location"]) == (301, "https://testserver/aide/")

    def test_the_word_of_our_proxy_counts(self, production, browser, settings):
        settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
        answer = browser.get("/aide/", headers={"x-forwarded-proto": "https"}, REMOTE_ADDR="10.1.2.3")
        assert answer.status_code == 200

    def test_health_is_asked_over_plain_http(self, production, browser):
        """AVL-08: a load balancer has no certificate of ours."""
        assert browser.get("/sante/vivant").status_code == 200
        assert browser.get("/sante/pret").status_code == 200


class TestClientAddress:
    def test_the_client_is_the_last_one_a_proxy_of_ours_saw(self, settings):
        """ENU-06, HDR-05: what clients write into X-Forwarded-For themselves is never believed."""
        for peer, forwarded, client in [
            ("203.0.113.7", "", "203.0.113.7"),
            ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.1:4711", "10.0.0.1"),
            ("10.0.0.1", ",,,", "10.0.0.1"),
            ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("::ffff:203.0.113.7", "", "203.0.113.7"),
            ("2001:db8:ffff::1", "198.51.100.1", "198.51.100.1"),
            ("fe80::1%eth0", "", "fe80::1"),
            ("", "198.51.100.1", None),
            ("not an address", "198.51.100.1", None),
        ]:
            settings.TRUSTED_PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48"]
            request = RequestFactory().get("/", REMOTE_ADDR=peer, headers={"x-forwarded-for": forwarded})
            assert client_address(request) == client

    def test_nobody_is_trusted_unless_named(self, settings):
        settings.TRUSTED_PROXIES = []
        assert not any(is_trusted_proxy(address) for address in ("127.0.0.1", "10.0.0.1", "::1", "", None, "x"))

    def test_a_household_counts_as_one(self):
        """ENU-06: IPv6 by /64."""
        for address, key in [
            ("198.51.100.1", "198.51.100.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            (None, "unknown"),
        ]:
            assert client_key(address) == key

    def test_two_clients_behind_our_proxy_count_apart(self, settings):
        """ENU-06: one of them has used up its tries, the other has not."""
        settings.TRUSTED_PROXIES = ["10.0.0.1"]
        bad = reverse("activation-link", args=["A" * 97])

        def ask(client: str) -> int:
            return Client().get(bad, REMOTE_ADDR="10.0.0.1", headers={"x-forwarded-for": client}).status_code

        assert [ask("198.51.100.1") for _ in range(31)][-1] == 429
        assert ask("198.51.100.2") == 404

    def test_a_new_forwarded_for_with_each_request_changes_nothing(self):
        """ENU-06"""
        bad = reverse("activation-link", args=["A" * 97])
        statuses = [
            Client().get(bad, REMOTE_ADDR="203.0.113.7", headers={"x-forwarded-for": f"198.51.100.{n}"}).status_code
            for n in range(31)
        ]
        assert statuses[-1] == 429

    def test_an_odd_peer_gets_the_page(self, browser):
        """A socket file has no address."""
        for peer in ["", "not an address", "fe80::1%eth0", "::ffff:198.51.100.1"]:
            assert browser.get(reverse("login"), REMOTE_ADDR=peer).status_code == 200
            assert browser.post(reverse("first-connection"), {"login": "x.y"}, REMOTE_ADDR=peer).status_code == 302


class TestHealth:
    def test_it_is_alive_and_ready(self, browser):
        """AVL-08: for anybody, unlimited."""
        for _ in range(40):
            assert browser.get("/sante/vivant").content.decode() == f"vivant\nversion {portal.VERSION}\n"
        assert browser.get("/sante/pret").content.decode() == "prêt\n"

    def test_redis_away_is_said_and_stops_nothing(self, browser, settings):
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        answer = browser.get("/sante/pret")
        assert (answer.status_code, answer.content.decode()) == (200, "prêt (sans Redis)\n")

    def test_alive_asks_nobody(self, browser, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert browser.get("/sante/vivant").status_code == 200


def test_a_signed_in_person_sees_no_page_of_the_cache(browser):
    """HDR-04"""
    browser.force_login(active_account())
    answer = browser.get(reverse("account"))
    assert {"no-store", "private"} <= set(re.split(r",\s*", answer["Cache-Control"]))
