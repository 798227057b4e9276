"""What is true of every answer: headers, errors, who may ask, from where. `tests/fuzz` looks at the headers of each."""

import re
from datetime import datetime, timedelta

import pytest
from django.conf import settings as portal
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path, reverse
from django.utils import timezone

import config.urls
from core.client_ip import client_address, is_trusted_proxy
from core.rate_limits import client_key
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz.rendered_forms import InlineCodeParser
from tests.fuzz.routes import routes
from tests.headers import assert_headers
from tests.mail_delivery import html_of, text_of

pytestmark = pytest.mark.django_db

PUBLIC = {
    *("alive", "ready", "metrics", "security-txt", "logo", "colours"),
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
    raise RuntimeError("internals: SELECT * FROM accounts")


def forbids(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("internals")


for view in (fails, forbids):
    view.login_required = False
provoked = [path("panne/", fails), path("interdit/", forbids)]
urlpatterns = [*provoked, path("en/", include(provoked)), *config.urls.urlpatterns]
handler400, handler403 = config.urls.handler400, config.urls.handler403
handler404, handler500 = config.urls.handler404, config.urls.handler500


@pytest.fixture
def browser() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def production(settings) -> None:
    """The settings that depend on DEBUG."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    settings.KNOWN_BROWSER_COOKIE_NAME = "__Host-known"


class TestHeaders:
    def test_of_errors(self, browser, settings):
        """HDR-05: in the language of the URL, with a reference for the support and no internals."""
        settings.ROOT_URLCONF = __name__
        errors = {"/nulle-part/": 404, "/panne/": 500, "/interdit/": 403, "/activation/nouveau-lien/": 405}
        for language, prefix in (("fr", ""), ("en", "/en")):
            for address, status in errors.items():
                answer = browser.get(f"{prefix}{address}", headers={"accept": "text/html,*/*;q=0.8"})
                page = answer.content.decode()
                assert answer.status_code == status
                assert_headers(answer)
                assert f'<html lang="{language}"' in page
                assert answer["X-Request-Id"] in page
                assert not {"internals", "Traceback"} & set(re.findall(r"\w+", page))
                assert InlineCodeParser(page).found == []

    def test_a_form_that_is_too_large_is_refused_with_a_page_of_its_own(self, browser, settings):
        """INP-07: the answer to other bad requests speaks of a wrong address."""
        for prefix, title in (("", "Ce formulaire est trop long"), ("/en", "This form is too long")):
            long = {"login": "a" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE}
            answer = browser.post(f"{prefix}/mot-de-passe-oublie/", long)
            assert (answer.status_code, title in answer.content.decode()) == (413, True)
            assert_headers(answer)

    def test_of_machines_and_static_files(self, browser):
        """HDR-03"""
        assert_headers(browser.get("/sante/vivant"))
        assert browser.get("/activation/nouveau-lien/").content == b"", "no page with a 405 unless a browser asks"
        answer = browser.get("/static/css/portail.css")
        assert (answer.status_code, answer["X-Content-Type-Options"]) == (200, "nosniff")
        assert not answer.cookies
        answer.close()

    def test_https_is_required_for_a_year(self, production, browser, settings):
        """HDR-03: by the first response, of any kind."""
        settings.ROOT_URLCONF = __name__
        addresses = ("/", "/compte/", "/nulle-part/", "/panne/", "/interdit/", "/sante/vivant")
        for address, headers in (*((address, {}) for address in addresses), ("/", {"host": "evil.example"})):
            sent = browser.get(address, secure=True, headers=headers)["Strict-Transport-Security"]
            assert set(re.split(r";\s*", sent)) == {"max-age=31536000", "includeSubDomains", "preload"}, address


class TestCookies:
    def test_every_cookie_is_bound_to_this_host(self, production):
        """SES-06: name, Secure, HttpOnly, path, no domain, Lax, short."""
        browser, names = Client(), set()
        answers = [browser.get(reverse(name), secure=True) for name in ("login", "first-connection", "home")]
        answers.append(browser.post(reverse("first-connection"), {"login": "x.y"}, secure=True))
        login = {"login": active_account().login, "password": A_GOOD_PASSWORD}
        answers.append(browser.post(reverse("login"), login, secure=True))
        for cookie in (cookie for answer in answers for cookie in answer.cookies.values()):
            names.add(cookie.key)
            attributes = ("secure", "httponly", "path", "domain", "samesite")
            assert [cookie[name] for name in attributes] == [True, True, "/", "", "Lax"]
            assert len(cookie.OutputString()) < 4096
        assert names == {"__Host-sessionid", "__Host-csrftoken", "__Host-known"}

    def test_reading_sets_none(self, browser):
        """PRV-06"""
        for name in ("home", "help", "accessibility", "privacy", "legal", "sitemap", "locked-help"):
            assert not browser.get(reverse(name)).cookies


def test_our_own_form_is_accepted_and_one_view_alone_is_exempt():
    """SES-07"""
    browser = Client(enforce_csrf_checks=True)
    page = browser.get(reverse("login")).content.decode()
    [token, *_] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    response = browser.post(reverse("first-connection"), {"login": "x.y", "csrfmiddlewaretoken": token})
    assert response.status_code == 302
    exempt = [route.name for route in routes() if getattr(route.pattern.callback, "csrf_exempt", False)]
    assert exempt == ["locks-api"]


def test_public_pages_are_listed_and_no_file_of_the_project_is_served(browser):
    """ADM-01, HDR-05: a new page is closed until it is added to the list."""
    assert {route.name for route in routes() if not route.is_closed} == PUBLIC
    for address in ("/.git/config", "/.env", "/static/", "/static/../manage.py", "/manage.py", "/media/x"):
        assert browser.get(address).status_code == 404


class TestHosts:
    def test_an_unknown_host_gets_no_page(self, production, browser):
        """HDR-05: 400, and no redirect to its https."""
        for host in ("evil.example", "testserver@evil.example", "testserver.evil.example", "a b", "["):
            for secure in (True, False):
                answer = browser.get(reverse("login"), headers={"host": host}, secure=secure)
                assert answer.status_code == 400
                assert_headers(answer)

    def test_no_header_gets_into_a_mail(self, browser, mail_delivery):
        """TOK-08: every URL in a mail starts with PORTAL_URL."""
        evil = "evil.example"
        forwarded = {"x-forwarded-host": evil, "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https"}
        others = {"x-forwarded-server": evil, "x-original-url": "/evil"}
        for headers in ({"host": "testserver:4444"}, {"forwarded": f"host={evil}"}, forwarded, others):
            login = pending_account().login
            assert browser.post(reverse("first-connection"), {"login": login}, headers=headers).status_code == 302
            mail = mail_delivery.last_mail()
            whole = text_of(mail) + html_of(mail)
            found = [portal.PORTAL_URL in whole, "evil" in whole, "4444" in whole]
            assert found == [True, False, False]

    def test_only_a_trusted_proxy_forwards_the_scheme_of_a_request(self, production, browser, settings):
        """HDR-05; AVL-08: health checks come over plain http."""
        settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
        forwarded = {"x-forwarded-proto": "https"}
        answer = browser.get("/aide/", headers=forwarded, REMOTE_ADDR="203.0.113.7")
        assert (answer.status_code, answer["Location"]) == (301, "https://testserver/aide/")
        assert browser.get("/aide/", headers=forwarded, REMOTE_ADDR="10.1.2.3").status_code == 200
        for address in ("/sante/vivant", "/sante/pret"):
            assert browser.get(address).status_code == 200


class TestClientAddress:
    def test_the_client_is_the_last_address_that_a_trusted_proxy_saw(self, settings):
        """ENU-06, HDR-05: X-Forwarded-For counts from a trusted proxy only, IPv6 by /64."""
        settings.TRUSTED_PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48"]
        for peer, forwarded, client in [
            ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.1:4711", "198.51.100.1"),
            ("10.0.0.1", "1.2.3.4, [2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.1:471111", "10.0.0.1"),
            ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("::ffff:203.0.113.7", "", "203.0.113.7"),
            ("2001:db8:ffff::1", "198.51.100.1", "198.51.100.1"),
            ("fe80::1%eth0", "", "fe80::1"),
            ("", "198.51.100.1", None),
            ("not an address", "198.51.100.1", None),
        ]:
            request = RequestFactory().get("/", REMOTE_ADDR=peer, headers={"x-forwarded-for": forwarded})
            assert client_address(request) == client

        settings.TRUSTED_PROXIES = []
        assert not any(is_trusted_proxy(address) for address in ("127.0.0.1", "10.0.0.1", "::1", "", None, "x"))
        for address, key in [
            ("198.51.100.1", "198.51.100.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            (None, "unknown"),
        ]:
            assert client_key(address) == key, "a household counts as one"

    def test_clients_behind_a_trusted_proxy_count_apart_and_forged_headers_do_not(self, settings):
        """ENU-06"""
        settings.TRUSTED_PROXIES = ["10.0.0.1"]
        bad = reverse("activation-link", args=["A" * 97])

        def ask(peer: str, client: str) -> int:
            return Client().get(bad, REMOTE_ADDR=peer, headers={"x-forwarded-for": client}).status_code

        assert [ask("10.0.0.1", "198.51.100.1") for _ in range(31)][-1] == 429
        assert ask("10.0.0.1", "198.51.100.2") == 404
        assert [ask("203.0.113.7", f"198.51.100.{number}") for number in range(31)][-1] == 429
        for odd in ("", "not an address", "fe80::1%eth0"):
            assert Client().post(reverse("first-connection"), {"login": "x.y"}, REMOTE_ADDR=odd).status_code == 302


def test_the_portal_is_alive_and_ready_also_without_redis(browser, settings, django_assert_num_queries):
    """AVL-08: public, unlimited, and liveness runs no query."""
    with django_assert_num_queries(0):
        for _ in range(40):
            assert browser.get("/sante/vivant").content.decode() == f"vivant\nversion {portal.VERSION}\n"
    assert browser.get("/sante/pret").content.decode() == "prêt\n"
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    response = browser.get("/sante/pret")
    assert (response.status_code, response.content.decode()) == (200, "prêt (sans Redis)\n")


def test_security_txt_says_whom_to_tell_of_a_vulnerability(browser, settings):
    """ADM-01: RFC 9116, which wants a date that is never past and less than a year away."""
    page = "https://univ-exemple.fr/ssi"
    for contact, uri in [("ssi@univ-exemple.fr", "mailto:ssi@univ-exemple.fr"), (page, page)]:
        settings.SECURITY_CONTACT = contact
        answer = browser.get("/.well-known/security.txt")
        fields = dict(line.split(": ", 1) for line in answer.content.decode().splitlines())
        age = datetime.fromisoformat(fields.pop("Expires")) - timezone.now()
        assert timedelta(days=30) < age < timedelta(days=365)
        canonical = f"{portal.PORTAL_URL}/.well-known/security.txt"
        assert fields == {"Contact": uri, "Preferred-Languages": "fr, en", "Canonical": canonical}
        assert answer["Content-Type"] == "text/plain; charset=utf-8"


def test_pages_of_a_signed_in_account_are_not_stored(browser):
    """HDR-04"""
    browser.force_login(active_account())
    cache_control = browser.get(reverse("account"))["Cache-Control"]
    assert {"no-store", "private"} <= set(re.split(r",\s*", cache_control))
