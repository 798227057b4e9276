"""Nasty requests to every address of the URLconf, as a stranger, as somebody signed in and as an agent: INP-01, INP-07,
HDR-05, TOK-06. What the pages themselves ask for is in `test_fields.py`."""

import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from agents.roles import Role
from tests.agents.pages import come_in
from tests.fuzz.fuzzing import JOURNAL, FuzzedPage
from tests.fuzz.payloads import TOKEN, N
from tests.fuzz.requests import MIXED, UNSEEN, Payload, body_of, in_a_header, text_of
from tests.fuzz.routes import Route, routes
from tests.fuzz.watching import Done
from tests.pages import Page, PageRequest, logged_in

pytestmark = pytest.mark.django_db

#: In the place of a number or a reference, which the URLconf itself is strict about.
NUMBERS = ("0", "8" * 19, "8" * 5000, "-1", "\u0661", "1.0")
#: In the place of a token, a handle or a version, which may be any text.
TEXTS = [
    *(token for token in TOKEN[1:] if not token.startswith("VALID") and " " not in token),
    *(N[number] for number in ("N04", "N05", "N06", "N07", "N08", "N25", "N26", "N27", "N36", "N39")),
    *(MIXED, UNSEEN, "..", ".", "%2e%2e", "a/b", "a//b", "a;b", "a\\b", "é", "\U0001f418", ".git/config"),
]
#: Percent-encoded octets that are no text, and signs that mean something in an address.
RAW = ("%00", "a%00b", "%ff%fe%c0%af", "%ED%A0%80", "%", "%zz", "%0d%0aX-Inj:1", "%2f%2fevil.example", "%5c")
#: What Django's own lists and admin would look up, what it would sort by, and what is no query at all (ADM-06, INP-06).
LOOKUPS = (
    "password__startswith=argon2&groups__name=Responsables&is_staff=1&o=-1.2.88888888888888888888&page=last&page=1"
    "&page[]=2&etat=<script>&etat=&_popup=1&_to_field=password&_connector=OR%201%3D1--&_negated=1&next=//evil.example"
    "&q=%ED%A0%80&q=%00&&&==&=%"
)
#: How a method that no page has may be answered where GET is not answered with a page either.
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
    "odd client": {"x-forwarded-for": in_a_header(UNSEEN), "x-client-ip": "::ffff:127.0.0.1%eth0"},
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
    "authorization": {"authorization": "Bearer " + MIXED, "proxy-authorization": in_a_header(UNSEEN)},
}
NO_HOST = {"host", "user in host", "host with markup"}
#: Seconds of work for a request with a header of thousands of characters, far below those of a pattern that goes astray,
#: and far above what looking through a full memory takes between (INP-07).
SOON = 1.0


def stranger(browser: Client) -> PageRequest:
    return PageRequest("/")


def person(browser: Client) -> PageRequest:
    logged_in(browser)
    return PageRequest("/")


def agent(browser: Client) -> PageRequest:
    come_in(browser, Role.RESPONSABLES)
    return PageRequest("/admin/")


#: Each route is walked by whoever gets furthest.
WALKERS: dict[str, tuple[Page, Callable[[Route], bool]]] = {
    "stranger": (stranger, lambda route: not route.is_closed),
    "person": (person, lambda route: route.is_closed and not route.name.startswith("admin:")),
    "agent": (agent, lambda route: route.name.startswith("admin:")),
}
NOTHING = Payload("nothing", (), b"")


@pytest.fixture(params=WALKERS)
def walked(request) -> tuple[FuzzedPage, list[Route]]:
    make, goes = WALKERS[request.param]
    return FuzzedPage(request.param, make), [route for route in routes() if goes(route)]


def test_every_argument_of_an_address_has_an_example():
    """So that a new one is among those that are walked."""
    assert all(route.path() for route in routes())


def test_no_method_but_post_changes_anything(walked):
    """TOK-06, HDR-05: HEAD answers as GET does, without a body; what is no method of ours is refused."""
    state, there = walked
    for route in there:
        got, _effects = state.request("GET", route.path(), NOTHING)
        for method in METHODS:
            thrown = Payload(method, (), b"x=1" if method in ("PUT", "PATCH", "DELETE") else b"")
            done, effects = state.request(method, route.path(), thrown)
            wrong = [f"writes {table}" for table in effects.tables - {JOURNAL}]
            if method == "HEAD" and (told_by(done) != told_by(got) or done.response.content):
                wrong.append(f"{told_by(done)} is not what GET answers: {told_by(got)}")
            # What is no page for this walker now is none for any method.
            refused = {405} if got.response.status_code < 300 else REFUSED
            if method not in ("HEAD", "OPTIONS") and done.response.status_code not in refused:
                wrong.append(f"is taken: {done.response.status_code}")
            state.note(method, route.path(), thrown, wrong)
    assert not state.failures, state.told()


def told_by(done: Done) -> tuple[int, dict[str, str]]:
    """The status and the headers that stay the same from one request to the next."""
    headers = {name: value for name, value in done.response.items() if name not in CHANGING}
    return done.response.status_code, headers


def test_every_other_page_asks_a_stranger_who_they_are():
    """ADM-01: whatever the method; nothing of the page is told, and nothing is done."""
    state = FuzzedPage("stranger", stranger)
    for route in (route for route in routes() if route.is_closed):
        for method in ("GET", "POST", "DELETE"):
            thrown = Payload(method, (MIXED,), body_of([("next", MIXED), ("q", MIXED)]))
            done, effects = state.request(method, route.path(), thrown)
            location = done.response.get("Location", "")
            if effects.tables or done.response.status_code != 302 or not location.startswith(reverse("login")):
                state.note(method, route.path(), thrown, [f"{done.response.status_code} {location} {effects.tables}"])
    assert not state.failures, state.told()


def test_nothing_in_a_query_harms_an_address(walked):
    """INP-01, INP-06, ADM-06: also those that read no query."""
    state, there = walked
    names = [*("q", "page", "next", "id", "lang", "format", "a[]", "__proto__", "_method"), MIXED]
    for route in there:
        for value in (MIXED, UNSEEN):
            query = body_of([(name, value) for name in names]).decode()
            state.request("GET", route.path(), Payload("query", (value,), b"", query=query))
        state.request("GET", route.path(), Payload("lookups", ("<script>",), b"", query=LOOKUPS))
    assert not state.failures, state.told()


def test_nothing_in_a_path_harms_an_address(walked):
    """INP-01, INP-02: TOKEN and the values of §17 for paths, as a link, a number, a reference or a version."""
    state, there = walked
    for route in (route for route in there if route.arguments):
        for value in TEXTS if route.takes_any_text else NUMBERS:
            octets = value if isinstance(value, str) else value.decode()
            thrown = Payload(f"path {octets[:30]!r}", (octets,), b"")
            state.request("GET", route.path_with(quote(octets, safe="%")), thrown)
        for raw in RAW if route.takes_any_text else RAW[:2]:
            state.request("GET", route.path_with(raw), Payload(f"path {raw}", (), b""))
    assert not state.failures, state.told()


def test_nothing_in_a_cookie_harms_an_address():
    """SES-01, INP-01: session, CSRF token, language, messages, and cookies that nobody has set."""
    state = FuzzedPage("stranger", stranger)
    names = [settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "django_language", "messages", "__Host-x", "x"]
    for route in routes():
        value = MIXED.replace(";", "") if route.is_closed else "../../x\x00é"
        cookie = in_a_header("; ".join(f"{name}={value}" for name in names))
        state.request("GET", route.path(), Payload("cookie", (value,), b""), headers={"cookie": cookie})
    assert not state.failures, state.told()


def test_every_value_in_every_cookie():
    """SES-01: a session that was made up is nobody's, and never adopted."""
    state = FuzzedPage("stranger", stranger)
    names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "django_language")
    for path in (reverse("login"), reverse("activation")):
        for label, value in N.items():
            text = text_of(value) or "%ff%fe"
            cookie = in_a_header("; ".join(f"{name}={text[:2000]}" for name in names))
            thrown = Payload(f"cookies {label}", (text,), b"")
            done, _effects = state.request("GET", path, thrown, headers={"cookie": cookie})
            adopted = [name for name, given in done.response.cookies.items() if given.value in (text, text[:2000])]
            state.note("GET", path, thrown, [f"adopts {name}" for name in adopted])
    assert not state.failures, state.told()


def test_nothing_in_a_header_harms_an_address(walked):
    """INP-07, HDR-05, TOK-08: one after the other at three addresses, all that may stand together at the others."""
    state, there = walked
    together = {name: value for label, sent in HEADERS.items() if label not in NO_HOST for name, value in sent.items()}
    together.pop("host")
    for route in there:
        state.request("GET", route.path(), Payload("headers", (MIXED,), b""), headers=together)
    for method, path in (("GET", "/"), ("POST", reverse("first-connection")), ("GET", reverse("account"))):
        if state.name == "stranger":
            for label, headers in HEADERS.items():
                thrown = Payload(label, (MIXED,), b"")
                begun = time.process_time()
                done, _effects = state.request(method, path, thrown, headers=headers)
                if (spent := time.process_time() - begun) > SOON:
                    state.note(method, path, thrown, [f"took {spent:.2f} s of work"])
                if label in NO_HOST and done.response.status_code != 400:
                    state.note(method, path, Payload(label, (), b""), ["a strange host is taken"])
    assert not state.failures, state.told()
