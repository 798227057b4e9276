"""What an address line may hold: no agents' page stumbles over it, nor does what it was not asked to do (ADM-06,
INP-06). What people type is opened in a browser, in `tests/browser/test_hostile_agents.py`."""

import re
from html import unescape
from itertools import product
from urllib.parse import quote

import pytest
from django.conf import settings as portal
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern

from accounts.models import Account
from assistance.agents.roles import Role
from tests.assistance.agents.test_roles import PAGES, address_of
from tests.assistance.agents.working import inside
from tests.hostile import N

pytestmark = pytest.mark.django_db

ASKED = [
    "password__startswith=argon2",
    "groups__name=Responsables&is_staff=1&is_superuser=1",
    "o=1",
    "o=-1.2.99999999999999999999",
    "q=%00",
    "q=%ED%A0%80",
    "q=" + "%F0%9F%90%98" * 300,
    "page=0",
    "page=-1",
    "page=99999999999999999999",
    "page=%D9%A1",
    "page=last&page=1&page[]=2",
    "etat=<script>",
    "etat=pending&etat=locked&etat=",
    "_popup=1&_to_field=password",
    "next=//evil.example&next=javascript:alert(1)",
    "_connector=OR%201%3D1--&_negated=1",
    "demande=%27%20OR%20%271%27%3D%271",
    "&&&==&=%",
]
ALONE = ["\x00", "0", "-1", "9" * 30, "1-1", "9" * 30 + "-1", "a@b", "2026-02-31", "0001-01-01", "9999-12-31", N["N18"]]
# Forms that are sent by POST ask nothing by their address.
ASKED_BY_LINKS = re.compile(r'href="([^"?]*)\?([^"#]*)"')
FORMS = re.compile(r"<form\b[^>]*>.*?</form>", re.DOTALL)
NAMES = re.compile(r'\bname="([^"]+)"')


@pytest.fixture
def browser() -> Client:
    """Somebody who may open everything, and to whom a mistake of ours looks as it does to agents."""
    _agent, browser = inside(Role.RESPONSABLES)
    browser.raise_request_exception = False
    return browser


def names_of(address: str, answer: HttpResponse) -> set[str]:
    """The names that a page puts into its own address: those of its links to itself, and of its searches."""
    if answer.streaming or not answer.get("Content-Type", "").startswith("text/html"):
        return set()
    html = unescape(answer.content.decode())
    of_itself = [asked for path, asked in ASKED_BY_LINKS.findall(html) if path in ("", address)]
    linked = {part.partition("=")[0] for asked in of_itself for part in asked.split("&")}
    searches = [form for form in FORMS.findall(html) if 'method="post"' not in form[: form.index(">")]]
    return (linked | {name for form in searches for name in NAMES.findall(form)}) - {"", "csrfmiddlewaretoken"}


def assert_harmless(answer: HttpResponse, asked: str) -> None:
    assert answer.status_code < 500, asked[:200]
    assert not answer.streaming or answer.getvalue() is not None
    if not answer.streaming and answer.get("Content-Type", "").startswith("text/html"):
        assert "<script>alert" not in answer.content.decode(), asked[:200]
    assert not answer.get("Location", "").startswith(("//", "/\\", "http", "javascript:", "data:")), asked[:200]


@pytest.mark.parametrize("pattern", PAGES, ids=lambda pattern: pattern.name)
def test_no_address_makes_a_page_stumble(pattern: URLPattern, browser: Client):
    """ADM-06, INP-01, INP-06: what is not understood is ignored or refused. Every part that a page asks for at once, then
    each by itself, where one wrong part would hide what another does."""
    address = address_of(pattern)
    before = list(Account.objects.order_by("pk").values())
    names = sorted(names_of(address, browser.get(address)))
    together = ["&".join(f"{name}={raw(value)[:20_000]}" for name in names) for value in N.values() if names]
    alone = [f"{name}={quote(value)}" for name, value in product(names, ALONE)]

    for asked in [*ASKED, *together, *alone]:
        assert_harmless(browser.get(f"{address}?{asked}"), asked)

    assert list(Account.objects.order_by("pk").values()) == before


def raw(value: str | bytes) -> str:
    """As it stands in an address."""
    return value.decode() if isinstance(value, bytes) else quote(value)


def test_numbers_in_addresses_may_be_anything(browser: Client):
    """INP-01: too large for the database is nobody's."""
    for number in (0, 2**31, 2**63, 10**30):
        for pattern in PAGES:
            if "pk" in pattern.pattern.converters:
                address = "/admin/" + str(pattern.pattern).replace("<int:pk>", str(number))
                assert browser.get(address).status_code in (302, 403, 404, 405), address


#: Where text becomes HTML without being escaped. Reviewed: none of them is given what somebody typed, but for the
#: charter, which `nh3` cleans on the line that says so.
UNESCAPED = {
    "activation/charter.py": "mark_safe",
    "assistance/agents/views/door.py": "mark_safe",
    "config/forms.py": "format_html",
    "outbox/templatetags/icons.py": "mark_safe",
}
WAYS = re.compile(
    r"\b(mark_safe|format_html(?:_join)?|html_safe|is_safe\s*=\s*True|__html__|autoescape\s*=\s*False)\b(?=[\s(=,:)])"
    r"|\|\s*(safe|safeseq|urlize|urlizetrunc|striptags|truncate\w+_html)\b"
)
IMPORTED = re.compile(r"^\s*(?:from|import) .*$", re.MULTILINE)
# `{% autoescape off %}` is for texts, where nothing is HTML.
NOT_ESCAPED = re.compile(r"{%-?\s*autoescape\s+off")


def sources(*endings: str) -> dict[str, str]:
    """The portal's own files, without the tests, by their names."""
    folders = (
        "accounts",
        "activation",
        "assistance",
        "config",
        "directory",
        "local",
        "mailrouting",
        "outbox",
        "templates",
    )
    paths = [path for folder in folders for path in (portal.BASE_DIR / folder).rglob("*") if path.suffix in endings]
    return {str(path.relative_to(portal.BASE_DIR)): path.read_text() for path in paths}


def test_nothing_else_becomes_html_unescaped():
    """INP-05: a new one has to be looked at, and added to the list."""
    texts = {name: IMPORTED.sub("", text) for name, text in sources(".py", ".html", ".txt").items()}
    found = {name: {way for groups in WAYS.findall(text) for way in groups if way} for name, text in texts.items()}
    assert {name: ", ".join(ways) for name, ways in found.items() if ways} == UNESCAPED


def test_only_texts_are_not_escaped():
    """INP-05"""
    assert [name for name, text in sources(".html", ".py").items() if NOT_ESCAPED.search(text)] == []


def test_scripts_make_no_html_of_what_they_read():
    """INP-05: text goes into a page as text."""
    scripts = list((portal.BASE_DIR / "static").rglob("*.js"))
    assert scripts
    for path in scripts:
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc", path.read_text()
        )
        assert found == [], path.name
