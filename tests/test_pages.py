"""The contract of every page: language, title, headings, undefined variables, links, headers, queries."""

import re
from collections import defaultdict
from collections.abc import Callable
from html import unescape

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template import engines
from django.test import Client
from django.urls import resolve, reverse
from django.utils import translation

from tests.directory.listed import listed_people_called
from tests.pages import ACTIONS, PAGES, QUERIES, REFUSALS, PageRequest, logged_in
from tests.pages.account import record_logins
from tests.pages.rendering import (
    UNDEFINED,
    LoadedPage,
    Outline,
    assert_contract,
    load_page,
    render,
    title_of,
    undefined_variables,
)

# In one process, which makes each page once a language.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("pages")]

ALL = {**PAGES, **REFUSALS}
LANGUAGES = ("fr", "en")
#: Errors that no request provokes here; tests/config looks at them.
OTHER_ERRORS = frozenset({"403.html", "405.html", "500.html", "503.html"})
FRENCH = re.compile(r"\b(?:votre|vous|le|la|les|des|une|est|pour|avec)\b", re.IGNORECASE)


@pytest.mark.parametrize("name", ALL)
def test_page_keeps_the_contract(name):
    """A11Y-01, RGAA 8.1, 8.3, 8.5, 8.6, 9.1, 11.1; HDR-02, HDR-03, HDR-04."""
    for language in LANGUAGES:
        page = load_page(name, language)
        outline = assert_contract(page, language, is_refusal=name in REFUSALS)
        assert_links_resolve(outline)
        assert_links_to_the_other_language(page.html, language)
    assert_english(page.html)
    assert_queries(name)
    if name in REFUSALS:
        assert_error_summary(page, outline)


def assert_links_resolve(outline: Outline) -> None:
    """An address outside the URLconf raises Resolver404."""
    for link in outline.links:
        path, _hash, anchor = link.partition("#")
        assert path or not anchor or anchor in outline.ids, link
        path = path.partition("?")[0]
        if path.startswith(settings.STATIC_URL):
            assert finders.find(path.removeprefix(settings.STATIC_URL)), link
        elif path.startswith("/"):
            with translation.override("en" if path.startswith("/en/") else "fr"):
                resolve(path)


def assert_links_to_the_other_language(html: str, language: str) -> None:
    """The same page, not the home page, where the page has an address of its own."""
    other = {"fr": "en", "en": "fr"}[language]
    link = re.search(rf'<a href="([^"]+)"\s+lang="{other}"\s+hreflang="{other}"', html)
    assert link
    assert link[1].startswith("/en/") == (other == "en")


def assert_english(html: str) -> None:
    """Two French words in a line of text are a message without translation."""
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*\blang=\"fr\".*?</[^>]+>|<[^>]+>", " ", html, flags=re.DOTALL)
    assert [line.strip() for line in unescape(text).splitlines() if len(FRENCH.findall(line)) >= 2] == []


def assert_error_summary(page: LoadedPage, outline: Outline) -> None:
    """RGAA 11.10, 11.11: a list of the errors with links to the fields."""
    summary = page.html.split('id="erreurs"')[1].split("</div>")[0]
    assert "<li>" in summary
    assert set(re.findall(r'href="#([^"]+)"', summary)) <= set(outline.ids)


def assert_queries(name: str) -> None:
    queries = load_page(name, "fr").queries
    assert len(queries) <= QUERIES[name], (len(queries), queries)


@pytest.mark.parametrize("name", ACTIONS)
def test_accepted_answer_costs_few_queries(name):
    assert_queries(name)


def history(client: Client, rows: int) -> PageRequest:
    record_logins(logged_in(client), rows)
    return PageRequest(reverse("account-history"))


def sessions(client: Client, rows: int) -> PageRequest:
    account = logged_in(client)
    for _ in range(rows):
        Client().force_login(account)
    return PageRequest(reverse("account-sessions"))


def directory(client: Client, rows: int) -> PageRequest:
    listed_people_called("Durand", rows)
    return PageRequest(f"{reverse('directory')}?q=durand")


@pytest.mark.parametrize("make", [history, sessions, directory])
def test_list_costs_the_same_queries_whatever_its_length(make: Callable[[Client, int], PageRequest]):
    one, three = (len(render(lambda client, rows=rows: make(client, rows)).queries) for rows in (1, 3))
    assert one == three


def test_every_page_has_its_own_title():
    """RGAA 8.6. Two states of one address may share theirs."""
    for language in LANGUAGES:
        paths_of = defaultdict(set)
        for page in (load_page(name, language) for name in PAGES):
            if page.status == 200:
                paths_of[title_of(page.html)].add(page.path.split("?")[0])
        assert {title: paths for title, paths in paths_of.items() if len(paths) > 1} == {}


def test_every_template_is_rendered_by_a_page():
    rendered = {template for name in ALL for template in load_page(name, "fr").templates}
    folder = settings.BASE_DIR / "templates"
    existing = {str(path.relative_to(folder)) for path in folder.rglob("*.html")}
    tested_elsewhere = {name for name in existing if name.startswith("agents/") or "emails/" in name}
    assert existing - tested_elsewhere - OTHER_ERRORS - rendered == set()


def test_undefined_variable_is_found(monkeypatch):
    monkeypatch.setattr(engines["django"].engine, "string_if_invalid", UNDEFINED)
    html = engines["django"].from_string("{{ nothing.at.all }}").render()
    assert undefined_variables(html) == {"nothing"}
