"""What is true of every answer: its headers, its errors, who may ask, and from where."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.conf import settings as portal
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, path, reverse
from django.utils import timezone, translation

import config.urls
from accounts.client import client_address, is_trusted_proxy
from accounts.limits import client_key
from accounts.models import Account
from activation.tokens import activation_link
from outbox.models import Message
from tests.headers import assert_headers
from tests.pages import ACTS, PAGES, REFUSALS
from tests.people import active_person, pending_person
from tests.postman import html_of, text_of

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
FORMS = ("login", "first-connection", "assistance")


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("details that nobody may read: SELECT * FROM accounts")


def forbids(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("details that nobody may read")


for view in (fails, forbids):
    view.login_required = False
urlpatterns = [path("panne/", fails), path("interdit/", forbids), *config.urls.urlpatterns]
handler400, handler403 = config.urls.handler400, config.urls.handler403
handler404, handler500 = config.urls.handler404, config.urls.handler500


@pytest.fixture(autouse=True)
def in_french() -> Iterator[None]:
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


class Inline(HTMLParser):
    """Finds what a strict CSP would stop."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        self.found += [f"{tag} {value}" for value in given.values() if (value or "").strip().startswith("javascript:")]


class TestHeaders:
    @pytest.mark.parametrize("name", [*PAGES, *REFUSALS, *ACTS])
    def test_of_every_page_and_answer(self, name, browser):
        """HDR-02, HDR-03, HDR-04, SES-06: also on refusals, redirects and errors; no inline code."""
        answer = {**PAGES, **REFUSALS, **ACTS}[name](browser).by(browser)
        assert_headers(answer)
        if "text/html" in answer.get("Content-Type", ""):
            assert Inline(answer.content.decode()).found == []

    @pytest.mark.parametrize("language", ["fr", "en"])
    @pytest.mark.parametrize(
        ("address", "status"), [("/nulle-part/", 404), ("/panne/", 500), ("/interdit/", 403), ("/sante/vivant", 200)]
    )
    def test_of_errors(self, browser, settings, address, status, language):
        """HDR-05: and nothing of the inside is told."""
        settings.ROOT_URLCONF = __name__
        answer = browser.get(address, headers={"accept-language": language})
        assert answer.status_code == status
        assert_headers(answer)
        assert "nobody may read" not in answer.content.decode()
        assert "Traceback" not in answer.content.decode()

    def test_of_the_page_for_too_many_requests(self, browser):
        bad = reverse("activation-link", args=["A" * 97])
        answers = [browser.get(bad) for _ in range(31)]
        assert answers[-1].status_code == 429
        assert_headers(answers[-1])

    def test_of_a_link_that_holds_a_secret(self, browser):
        """TOK-09"""
        person = pending_person()
        link = reverse(
            "activation-link", args=[activation_link.token(person, activation_link.deadline(timezone.now()))]
        )
        answer = browser.get(link)
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Location"] == reverse("activation")
        assert_headers(answer)

    def test_https_is_kept_for_a_year(self, production, browser):
        """HDR-03"""
        answer = browser.get("/", secure=True)
        wanted = {"max-age=31536000", "includeSubDomains", "preload"}
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

    @pytest.mark.parametrize("name", ["home", "help", "accessibility", "privacy", "legal", "sitemap", "locked-help"])
    def test_reading_sets_none(self, browser, name):
        """PRV: who only reads is not followed."""
        assert not browser.get(reverse(name)).cookies

    @pytest.mark.parametrize("key", ["../../x\x00", "a" * 32, "", "é" * 40, "x" * 5000])
    def test_a_made_up_session_is_nobody(self, browser, key):
        """SES-01, §17: never adopted, never an error."""
        browser.cookies[portal.SESSION_COOKIE_NAME] = key
        answer = browser.get(reverse("activation"))
        assert answer.status_code == 410
        assert browser.get(reverse("account")).status_code == 302
        browser.post(reverse("first-connection"), {"login": "x.y"})
        assert browser.cookies[portal.SESSION_COOKIE_NAME].value != key


class TestForms:
    @pytest.mark.parametrize("name", [*FORMS, "logout", "activation", "activation-new-link", "activation-password"])
    @pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
    def test_a_form_of_another_site_is_refused(self, name, origin):
        """SES-07: without our token, or with it and from elsewhere: 403, in French, useful."""
        browser = Client(enforce_csrf_checks=True)
        token = self.token_of(browser)
        sent = {"csrfmiddlewaretoken": token} if origin else {}
        answer = browser.post(reverse(name), sent, headers={"origin": origin} if origin else {})
        assert answer.status_code == 403
        assert '<html lang="fr"' in answer.content.decode()
        assert_headers(answer)

    @pytest.mark.parametrize("name", FORMS)
    def test_the_token_of_another_session_is_refused(self, name):
        """SES-07"""
        browser, other = Client(enforce_csrf_checks=True), Client(enforce_csrf_checks=True)
        self.token_of(browser)
        answer = browser.post(reverse(name), {"login": "x.y", "csrfmiddlewaretoken": self.token_of(other)})
        assert answer.status_code == 403

    def test_our_own_form_is_taken(self):
        browser = Client(enforce_csrf_checks=True)
        token = self.token_of(browser)
        answer = browser.post(reverse("first-connection"), {"login": "x.y", "csrfmiddlewaretoken": token})
        assert answer.status_code == 302

    def test_nothing_is_exempt_but_the_authenticated_webhook(self):
        """SES-07"""
        exempt = [name for name, pattern in every_page().items() if getattr(pattern.callback, "csrf_exempt", False)]
        assert exempt == ["locks-api"]

    def token_of(self, browser: Client) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(reverse("login")).content.decode())
        assert found
        return found[1]

    @pytest.mark.parametrize(
        "body",
        [
            {"data": b"x" * 3_000_000, "content_type": "application/x-www-form-urlencoded"},
            {"data": "&".join(f"f{n}=1" for n in range(1002)), "content_type": "application/x-www-form-urlencoded"},
            {"data": '{"login": "x"}', "content_type": "application/json"},
            {"data": b"--x\r\nbroken", "content_type": "multipart/form-data; boundary=x"},
            {"data": b"login=%00%ff%ED%A0%80", "content_type": "application/x-www-form-urlencoded"},
            {"data": b"login=a&login=b", "content_type": "application/x-www-form-urlencoded; charset=nonsense"},
        ],
        ids=["3 MB", "1002 fields", "json", "broken multipart", "broken UTF-8", "nonsense charset"],
    )
    @pytest.mark.parametrize("name", FORMS)
    def test_a_body_of_any_kind_gets_a_page(self, browser, name, body):
        """§17 HTTP: 4xx or the form again, never an error of ours."""
        answer = browser.generic("POST", reverse(name), **body)
        assert answer.status_code in {200, 302, 400, 413}
        assert_headers(answer)


def every_page() -> dict[str, URLPattern]:
    """Each address of the portal by its name."""
    found: dict[str, URLPattern] = {}

    def look_into(patterns: list[URLPattern | URLResolver], space: str = "") -> None:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                look_into(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else space)
            else:
                found[f"{space}{pattern.name}"] = pattern

    look_into(get_resolver().url_patterns)
    return found


def address_of(name: str) -> str:
    """With something made up where the address asks for something."""
    asked = every_page()[name].pattern.converters.values()
    return reverse(name, args=["x" * 97 if re.fullmatch(one.regex, "x" * 97) else 1 for one in asked])


class TestAccess:
    def test_the_public_pages_are_these_and_no_others(self):
        """ADM-01: a new page is closed until somebody adds it here on purpose."""
        public = {name for name, page in every_page().items() if not getattr(page.callback, "login_required", True)}
        assert public == PUBLIC

    def test_every_other_page_asks_who_one_is(self, browser):
        """ADM-01"""
        for name in set(every_page()) - PUBLIC:
            for method in ("get", "post", "head", "put", "delete"):
                answer = getattr(browser, method)(address_of(name))
                assert answer.status_code == 302, (name, method)
                assert answer["Location"].startswith(reverse("login")), (name, method)

    @pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
    @pytest.mark.parametrize("name", sorted(PUBLIC - {"alive", "ready", "first-connection-answer"}))
    def test_other_methods_change_nothing(self, browser, name, method):
        """HDR-05: 405, or the page that says that there is no journey here; nothing is written."""
        before = (Account.objects.count(), Message.objects.count())
        answer = getattr(browser, method)(address_of(name))
        assert answer.status_code in {302, 404, 405, 410}
        assert (Account.objects.count(), Message.objects.count()) == before

    @pytest.mark.parametrize("name", sorted(PUBLIC))
    def test_head_is_get_without_its_body(self, browser, name):
        """HDR-05"""
        got, head = browser.get(address_of(name)), Client().head(address_of(name))
        assert head.status_code == got.status_code
        assert head.content == b""

    @pytest.mark.parametrize(
        "address", ["/.git/config", "/.env", "/static/", "/static/../manage.py", "/manage.py", "/media/x"]
    )
    def test_no_file_of_the_project_is_served(self, browser, address):
        """HDR-05"""
        assert browser.get(address).status_code == 404


class TestHosts:
    @pytest.mark.parametrize("host", ["evil.example", "testserver@evil.example", "testserver.evil.example", "a b", "["])
    def test_an_unknown_host_gets_no_page(self, browser, host):
        """HDR-05: 400, ours."""
        answer = browser.get(reverse("login"), headers={"host": host})
        assert answer.status_code == 400
        assert_headers(answer)

    def test_an_unknown_host_is_not_led_to_itself(self, production, browser):
        """HDR-05: not even to its https."""
        answer = browser.get(reverse("login"), headers={"host": "evil.example"})
        assert answer.status_code == 400
        assert_headers(answer)

    @pytest.mark.parametrize(
        "headers",
        [
            {"host": "testserver:4444"},
            {"x-forwarded-host": "evil.example"},
            {"forwarded": "host=evil.example"},
            {"x-forwarded-host": "evil.example", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https"},
            {"x-forwarded-server": "evil.example", "x-original-url": "/evil"},
        ],
        ids=str,
    )
    def test_no_header_gets_into_a_mail(self, browser, postman, settings, headers):
        """TOK-08: every address in a mail starts with PORTAL_URL."""
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        person = pending_person()
        assert browser.post(reverse("first-connection"), {"login": person.login}, headers=headers).status_code == 302
        mail = postman.last_mail()
        whole = text_of(mail) + html_of(mail)
        assert "evil" not in whole
        assert "4444" not in whole
        assert portal.PORTAL_URL in whole

    @pytest.mark.parametrize(
        "header",
        [{"accept-language": "fr-" + "a" * 8000}, {"accept": 'text/html;q="' + ";" * 4000 + '"'}],
        ids=["long", "odd"],
    )
    def test_an_odd_header_gets_the_page(self, browser, header):
        """§17 HTTP"""
        assert browser.get(reverse("home"), headers=header).status_code == 200

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
    @pytest.mark.parametrize(
        ("peer", "forwarded", "client"),
        [
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
        ],
    )
    def test_the_client_is_the_last_one_a_proxy_of_ours_saw(self, settings, peer, forwarded, client):
        """ENU-06, HDR-05: what clients write into X-Forwarded-For themselves is never believed."""
        settings.TRUSTED_PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48"]
        request = RequestFactory().get("/", REMOTE_ADDR=peer, headers={"x-forwarded-for": forwarded})
        assert client_address(request) == client

    def test_nobody_is_trusted_unless_named(self, settings):
        settings.TRUSTED_PROXIES = []
        assert not any(is_trusted_proxy(address) for address in ("127.0.0.1", "10.0.0.1", "::1", "", None, "x"))

    @pytest.mark.parametrize(
        ("address", "key"),
        [
            ("198.51.100.1", "198.51.100.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            (None, "unknown"),
        ],
    )
    def test_a_household_counts_as_one(self, address, key):
        """ENU-06: IPv6 by /64."""
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

    @pytest.mark.parametrize("peer", ["", "not an address", "fe80::1%eth0", "::ffff:198.51.100.1"])
    def test_an_odd_peer_gets_the_page(self, browser, peer):
        """A socket file has no address."""
        assert browser.get(reverse("login"), REMOTE_ADDR=peer).status_code == 200
        assert browser.post(reverse("first-connection"), {"login": "x.y"}, REMOTE_ADDR=peer).status_code == 302


class TestHealth:
    def test_it_is_alive_and_ready(self, browser):
        """AVL-08: for anybody, unlimited."""
        for _ in range(40):
            assert browser.get("/sante/vivant").content.decode() == "vivant\n"
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
    browser.force_login(active_person())
    answer = browser.get(reverse("account"))
    assert {"no-store", "private"} <= set(re.split(r",\s*", answer["Cache-Control"]))
