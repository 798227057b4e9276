"""Hostile requests to every address of the URLconf; forms are in `test_fields.py`: INP-01, INP-07, HDR-05, TOK-06."""

import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from agents.roles import Role
from tests.agents.pages import come_in
from tests.fuzz import TOKEN, N
from tests.fuzz.observers import JOURNAL, FuzzedPage, Outcome
from tests.fuzz.requests import INVISIBLE, MIXED, Payload, as_header, encode_form, text_of
from tests.fuzz.routes import Route, routes
from tests.pages import PageRequest, logged_in

pytestmark = pytest.mark.django_db

#: For arguments with a strict converter.
NUMBERS = ("0", "8" * 19, "8" * 5000, "-1", "\u0661", "1.0")
#: For arguments that are any text.
TEXTS = [
    *TOKEN,
    *(text_of(N[number]) for number in ("N04", "N05", "N06", "N07", "N08", "N25", "N26", "N27", "N39")),
    *("%FF%FE%C0%AF", MIXED, INVISIBLE, "..", ".", "%2e%2e", "a/b", "a//b", "a;b", "a\\b", "é", "\U0001f418"),
    ".git/config",
]
#: Percent-encoded octets that are no text, and signs with a meaning in URLs.
RAW = ("%00", "a%00b", "%ff%fe%c0%af", "%ED%A0%80", "%", "%zz", "%0d%0aX-Inj:1", "%2f%2fevil.example", "%5c")
#: Lookups and orderings of Django's admin, and malformed queries (ADM-06, INP-06).
LOOKUPS = (
    "password__startswith=argon2&groups__name=Responsables&is_staff=1&o=-1.2.88888888888888888888&page=last&page=1"
    "&page[]=2&etat=<script>&etat=&_popup=1&_to_field=password&_connector=OR%201%3D1--&_negated=1&next=//evil.example"
    "&q=%ED%A0%80&q=%00&&&==&=%"
)
#: Answers to an unknown method where GET does not return a page either.
REFUSED = {302, 403, 404, 405, 410}
METHODS = ("HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE")
CHANGING = {"X-Request-Id", "Date", "Expires", "Content-Length", "Content-Security-Policy"}
HEADERS: dict[str, dict[str, str]] = {
    "host": {"host": "evil.example"},
    "port": {"host": "testserver:4444"},
    "user in host": {"host": "testserver@evil.example"},
    "host with markup": {"host": MIXED},
    "forwarded host": {"x-forwarded-host": "evil.example", "x-original-url": "/admin/", "x-rewrite-url": "/admin/"},
    "forwarded": {"forwarded": "host=evil.example;for=1.2.3.4;proto=https"},
    "forwarded for": {"x-forwarded-for": "1.2.3.4, " * 500, "x-real-ip": MIXED, "x-forwarded-proto": MIXED},
    "odd client": {"x-forwarded-for": as_header(INVISIBLE), "x-client-ip": "::ffff:127.0.0.1%eth0"},
    "language": {"accept-language": "fr-" + "a" * 8000},
    "languages": {"accept-language": ",".join(f"x{number};q=0.{number}" for number in range(2000))},
    "accept": {"accept": 'text/html;q="' + ";" * 4000 + '"'},
    "browser": {"user-agent": MIXED + "A" * 8000, "referer": "javascript:alert(1)", "x-request-id": MIXED},
    "ranges": {"range": "bytes=" + "0-,5-0," * 2000, "if-modified-since": MIXED, "if-none-match": '"' * 4000},
    "method": {"x-http-method-override": "DELETE", "x-method-override": "PUT"},
    "length": {"content-length": "-1", "transfer-encoding": "chunked"},
    "type": {"content-type": "multipart/form-data; boundary=" + "x" * 4000},
    "no boundary": {"content-type": "multipart/form-data"},
    "charset": {"content-type": "application/x-www-form-urlencoded; charset=utf-7"},
    "authorization": {"authorization": "Bearer " + MIXED, "proxy-authorization": as_header(INVISIBLE)},
}
NO_HOST = {"host", "user in host", "host with markup"}
#: CPU seconds for a request with a header of thousands of characters: below catastrophic backtracking, above a garbage
#: collection (INP-07).
LONGEST_CPU = 1.0
#: Each route is visited by a client that may open it.
VISITORS: dict[str, tuple[Callable[[Client], object], Callable[[Route], bool]]] = {
    "anonymous": (lambda browser: None, lambda route: not route.is_closed),
    "person": (logged_in, lambda route: route.is_closed and not route.name.startswith("admin:")),
    "agent": (lambda browser: come_in(browser, Role.RESPONSABLES), lambda route: route.name.startswith("admin:")),
}


def page_of(visitor: str) -> FuzzedPage:
    def come(browser: Client) -> PageRequest:
        VISITORS[visitor][0](browser)
        return PageRequest("/")

    return FuzzedPage(visitor, come)


@pytest.fixture(params=VISITORS)
def visited(request) -> tuple[FuzzedPage, list[Route]]:
    return page_of(request.param), [route for route in routes() if VISITORS[request.param][1](route)]


def test_no_method_but_post_changes_anything(visited):
    """TOK-06, HDR-05: HEAD answers as GET does, without a body; other methods are refused."""
    page, there = visited
    for route in there:
        got = page.request("GET", route.path(), Payload("nothing", ()))
        for method in METHODS:
            payload = Payload(method, (), b"x=1" if method in ("PUT", "PATCH", "DELETE") else b"")
            outcome = page.request(method, route.path(), payload)
            wrong = [f"writes {table}" for table in outcome.tables - {JOURNAL}]
            if method == "HEAD" and (stable_parts(outcome) != stable_parts(got) or outcome.response.content):
                wrong.append(f"{stable_parts(outcome)} is not what GET answers: {stable_parts(got)}")
            refused = {405} if got.response.status_code < 300 else REFUSED
            if method not in ("HEAD", "OPTIONS") and outcome.response.status_code not in refused:
                wrong.append(f"is accepted: {outcome.response.status_code}")
            page.add_failures(method, route.path(), payload, *wrong)
    page.assert_it_survived()


def stable_parts(outcome: Outcome) -> tuple[int, dict[str, str]]:
    headers = {name: value for name, value in outcome.response.items() if name not in CHANGING}
    return outcome.response.status_code, headers


def test_closed_page_redirects_an_anonymous_client_to_login():
    """ADM-01: whatever the method, and nothing is written."""
    page = page_of("anonymous")
    for route in (route for route in routes() if route.is_closed):
        for method in ("GET", "POST", "DELETE"):
            payload = Payload(method, (MIXED,), encode_form([("next", MIXED), ("q", MIXED)]))
            outcome = page.request(method, route.path(), payload)
            status, location = outcome.response.status_code, outcome.response.get("Location", "")
            if outcome.tables or status != 302 or not location.startswith(reverse("login")):
                page.add_failures(method, route.path(), payload, f"{status} {location} {outcome.tables}")
    page.assert_it_survived()


def test_address_survives_hostile_queries(visited):
    """INP-01, INP-06, ADM-06."""
    page, there = visited
    names = [*("q", "page", "next", "id", "lang", "format", "a[]", "__proto__", "_method"), MIXED]
    for route in there:
        mixed, invisible = (encode_form((name, value) for name in names).decode() for value in (MIXED, INVISIBLE))
        page.request("GET", route.path(), Payload("query", (MIXED,), query=mixed))
        page.request("GET", route.path(), Payload("lookups", ("<script>",), query=f"{LOOKUPS}&{invisible}"))
    page.assert_it_survived()


def test_address_survives_hostile_paths(visited):
    """INP-01, INP-02."""
    page, there = visited
    for route in (route for route in there if route.arguments):
        for text in TEXTS if route.takes_any_text else NUMBERS:
            page.request("GET", route.path_with(quote(text, safe="%")), Payload(f"path {text[:30]!r}", (text,)))
        for raw in RAW if route.takes_any_text else RAW[:2]:
            page.request("GET", route.path_with(raw), Payload(f"path {raw}", ()))
    page.assert_it_survived()


def test_no_cookie_value_breaks_a_page_or_is_adopted():
    """SES-01, INP-01: session, CSRF token, language, messages and unknown cookies."""
    page = page_of("anonymous")
    names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "django_language", "messages", "__Host-x", "x")
    values = [(route.path(), MIXED.replace(";", "") if route.is_closed else "../../x\x00é") for route in routes()]
    values += [
        (reverse(name), text_of(value)[:2000] or "%ff%fe") for name in ("login", "activation") for value in N.values()
    ]
    for path, text in values:
        cookie, payload = "; ".join(f"{name}={text}" for name in names), Payload(f"cookie {text[:30]!r}", (text,))
        outcome = page.request("GET", path, payload, headers={"cookie": as_header(cookie)})
        adopted = [name for name, given in outcome.response.cookies.items() if given.value == text]
        page.add_failures("GET", path, payload, *(f"adopts {name}" for name in adopted))
    page.assert_it_survived()


def test_address_survives_hostile_headers(visited):
    """INP-07, HDR-05, TOK-08: each header at three addresses, all together at the others."""
    page, there = visited
    together = {name: value for label, sent in HEADERS.items() if label not in NO_HOST for name, value in sent.items()}
    together.pop("host")
    for route in there:
        page.request("GET", route.path(), Payload("headers", (MIXED,)), headers=together)
    three = (("GET", "/"), ("POST", reverse("first-connection")), ("GET", reverse("account")))
    for method, path in three if page.name == "anonymous" else ():
        for label, headers in HEADERS.items():
            payload, begun = Payload(label, (MIXED,)), time.process_time()
            outcome = page.request(method, path, payload, headers=headers)
            if (spent := time.process_time() - begun) > LONGEST_CPU:
                page.add_failures(method, path, payload, f"took {spent:.2f} s of CPU")
            if label in NO_HOST and outcome.response.status_code != 400:
                page.add_failures(method, path, payload, "accepts a foreign host")
    page.assert_it_survived()
