"""Nasty requests to every address of the URLconf, as a stranger, as somebody signed in and as an agent: INP-01, INP-07,
HDR-05, TOK-06. What the pages themselves ask for is in `test_fields.py`."""

from urllib.parse import quote

import pytest
from django.conf import settings
from django.test import Client

from assistance.agents.roles import Role
from tests.assistance.agents.pages import come_in
from tests.hostile.besieging import Besieged
from tests.hostile.packs import TOKEN, N
from tests.hostile.routes import Route, routes
from tests.hostile.throwing import MIXED, UNSEEN, Thrown, body_of
from tests.pages import Ask, signed_in

pytestmark = pytest.mark.django_db

EXTREME = [
    *TOKEN[1:],
    *(N[number] for number in ("N04", "N05", "N06", "N07", "N08", "N25", "N26")),
    *("0", "-1", "1.0", "+1", "9" * 19, "9" * 5000, "1e9", "\u0661", "true", "None", "{{7*142857}}", "é", "\U0001f418"),
    *("<script>alert(1)</script>", "..", ".", "%2e%2e", "a/b", "a//b", "a;b", "a\\b", "index.php", ".git/config"),
]
#: Percent-encoded octets that are no text.
RAW = ("%00", "a%00b", "%ff%fe%c0%af", "%ED%A0%80", "%", "%zz", "%0d%0aX-Inj:1", "%2f%2fevil.example", "%5c")
METHODS = ("HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get")
HEADERS: dict[str, dict[str, str]] = {
    "host": {"host": "evil.example"},
    "port": {"host": "testserver:4444"},
    "user in host": {"host": "testserver@evil.example"},
    "host with markup": {"host": MIXED},
    "forwarded host": {"x-forwarded-host": "evil.example", "x-original-url": "/admin/", "x-rewrite-url": "/admin/"},
    "forwarded": {"forwarded": "host=evil.example;for=1.2.3.4;proto=https"},
    "forwarded for": {"x-forwarded-for": "1.2.3.4, " * 500, "x-real-ip": MIXED, "x-forwarded-proto": MIXED},
    "odd client": {"x-forwarded-for": UNSEEN.replace("\r\n", ""), "x-client-ip": "::ffff:127.0.0.1%eth0"},
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
    "authorization": {"authorization": "Bearer " + MIXED, "proxy-authorization": UNSEEN.replace("\r\n", "")},
}
NO_HOST = {"host", "user in host", "host with markup"}


def stranger(browser: Client) -> Ask:
    return Ask("/")


def person(browser: Client) -> Ask:
    signed_in(browser)
    return Ask("/")


def agent(browser: Client) -> Ask:
    come_in(browser, Role.RESPONSABLES)
    return Ask("/admin/")


#: Each route is walked by whoever gets furthest, those that ask who one is by a stranger too.
WALKERS = {
    "stranger": (stranger, lambda route: True),
    "person": (person, lambda route: route.is_closed and not route.name.startswith("admin:")),
    "agent": (agent, lambda route: route.name.startswith("admin:")),
}
NOTHING = Thrown("nothing", (), b"")


@pytest.fixture(params=WALKERS)
def walked(request) -> tuple[Besieged, list[Route]]:
    make, goes = WALKERS[request.param]
    return Besieged(request.param, make), [route for route in routes() if goes(route)]


def test_every_argument_of_an_address_has_an_example():
    """So that a new one is among those that are walked."""
    assert all(route.path() for route in routes())


def test_no_method_but_post_changes_anything(walked):
    """TOK-06, HDR-05: HEAD answers as GET does, without a body; what is no method of ours is refused."""
    state, there = walked
    for route in there:
        path = route.path()
        got, _effects = state.request("GET", path, NOTHING)
        for method in METHODS:
            thrown = Thrown(method, (), b"x=1" if method in ("PUT", "PATCH", "DELETE") else b"")
            done, effects = state.request(method, path, thrown)
            wrong = [f"writes {table}" for table in effects.tables - {"accounts_journalentry"}]
            if method == "HEAD" and (done.response.status_code != got.response.status_code or done.response.content):
                wrong.append("is not what GET answers")
            if method not in ("HEAD", "OPTIONS") and done.response.status_code < 300:
                wrong.append(f"is taken: {done.response.status_code}")
            state.note(method, path, thrown, wrong)
    assert not state.failures, state.told()


def test_nothing_in_a_query_harms_an_address(walked):
    """INP-01: also those that read no query."""
    state, there = walked
    names = [*("q", "page", "next", "id", "lang", "format", "a[]", "__proto__", "_method"), MIXED]
    for route in there:
        for value in (MIXED, UNSEEN, N["N36"]):
            query = body_of([(name, value) for name in names]).decode()
            payloads = (value,) if isinstance(value, str) else ()
            state.request("GET", route.path(), Thrown("query", payloads, b"", query=query))
    assert not state.failures, state.told()


def test_nothing_in_a_path_harms_an_address(walked):
    """INP-01, INP-02: TOKEN and the values of §17 for paths, as a link, a number, a reference or a version."""
    state, there = walked
    for route in there:
        if route.arguments:
            for value in EXTREME:
                state.request(
                    "GET", route.path_with(quote(value, safe="")), Thrown(f"path {value[:30]!r}", (value,), b"")
                )
            for raw in (*RAW, "A" * 100_000):
                state.request("GET", route.path_with(raw), Thrown(f"path {raw[:30]}", (), b""))
    assert not state.failures, state.told()


def test_nothing_in_a_cookie_harms_an_address(walked):
    """SES-01, INP-01: session, CSRF token, language, messages, and cookies that nobody has set."""
    state, there = walked
    names = [settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "django_language", "messages", "__Host-x", "x"]
    for route in there:
        for value in ("../../x\x00", MIXED.replace(";", ""), "é" * 40):
            cookie = "; ".join(f"{name}={value}" for name in names)
            state.request(
                "GET", route.path(), Thrown(f"cookie {value[:20]!r}", (value,), b""), headers={"cookie": cookie}
            )
    assert not state.failures, state.told()


def test_every_value_in_every_cookie():
    """SES-01: a session that was made up is nobody's, and never adopted."""
    state = Besieged("stranger", stranger)
    for path in ("/connexion/", "/compte/", "/activation/", "/admin/"):
        for label, value in N.items():
            text = value if isinstance(value, str) else value.decode()
            for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "django_language"):
                thrown = Thrown(f"cookie {name} {label}", (text,), b"")
                done, _effects = state.request("GET", path, thrown, headers={"cookie": f"{name}={text[:8000]}"})
                given = done.response.cookies.get(name)
                if given is not None and text and given.value == text:
                    state.note("GET", path, thrown, ["is adopted"])
    assert not state.failures, state.told()


def test_nothing_in_a_header_harms_an_address(walked):
    """INP-07, HDR-05, TOK-08: one after the other at three addresses, all that may stand together at the others."""
    state, there = walked
    together = {name: value for label, sent in HEADERS.items() if label not in NO_HOST for name, value in sent.items()}
    together.pop("host")
    for route in there:
        state.request("GET", route.path(), Thrown("headers", (MIXED,), b""), headers=together)
    for path in ("/", "/premiere-connexion/", "/compte/"):
        for method in ("GET", "POST"):
            for label, headers in HEADERS.items():
                done, _effects = state.request(method, path, Thrown(label, (MIXED,), b""), headers=headers)
                if label in NO_HOST and done.response.status_code != 400:
                    state.note(method, path, Thrown(label, (), b""), ["a strange host is taken"])
    assert not state.failures, state.told()
