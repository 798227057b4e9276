"""The contract of every page: language, title, headings, undefined variables, links, headers, queries."""

import re
from collections import defaultdict
from html import unescape

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.urls import resolve
from django.utils import translation

from tests.pages import ACTIONS, PAGES, QUERIES, REFUSALS
from tests.pages.rendering import assert_contract, load_page, title_of

# In one process, which makes each page once a language.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("pages")]

ALL = {**PAGES, **REFUSALS}
#: Errors that no request provokes here; tests/config looks at them.
OTHER_ERRORS = frozenset({"403.html", "405.html", "413.html", "500.html", "503.html"})
FRENCH = re.compile(r"\b(?:votre|vous|le|la|les|des|une|est|pour|avec)\b", re.IGNORECASE)
NOT_ENGLISH = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*\blang=\"fr\".*?</[^>]+>|<[^>]+>", re.DOTALL)


@pytest.mark.parametrize("name", ALL)
def test_page_keeps_the_contract(name):
    """A11Y-01, RGAA 8.1, 8.3, 8.5, 8.6, 9.1, 11.1, 11.10, 11.11; HDR-02, HDR-03, HDR-04."""
    for language, other in (("fr", "en"), ("en", "fr")):
        page = load_page(name, language)
        outline = assert_contract(page, language, is_refusal=name in REFUSALS)
        for link in outline.links:
            assert_leads_somewhere(link, outline.ids)
        # The same page, not the home page, where the page has an address of its own.
        link = re.search(rf'<a href="([^"]+)"\s+lang="{other}"\s+hreflang="{other}"', page.html)
        assert link
        assert link[1].startswith("/en/") == (other == "en")
        if name in REFUSALS:
            summary = page.html.split('id="erreurs"')[1].split("</div>")[0]
            assert "<li>" in summary
            assert set(re.findall(r'href="#([^"]+)"', summary)) <= set(outline.ids)
    # Two French words in a line of text are a message without translation.
    text = unescape(NOT_ENGLISH.sub(" ", load_page(name, "en").html))
    assert [line.strip() for line in text.splitlines() if len(FRENCH.findall(line)) >= 2] == []
    assert_queries(name)


def assert_leads_somewhere(link: str, ids: list[str]) -> None:
    """An address outside the URLconf raises Resolver404."""
    path, _hash, anchor = link.partition("#")
    assert path or not anchor or anchor in ids, link
    path = path.partition("?")[0]
    if path.startswith(settings.STATIC_URL):
        assert finders.find(path.removeprefix(settings.STATIC_URL)), link
    elif path.startswith("/"):
        with translation.override("en" if path.startswith("/en/") else "fr"):
            resolve(path)


def assert_queries(name: str) -> None:
    queries = load_page(name, "fr").queries
    assert len(queries) <= QUERIES[name], (len(queries), queries)


@pytest.mark.parametrize("name", ACTIONS)
def test_accepted_answer_costs_few_queries(name):
    assert_queries(name)


def test_every_page_has_its_own_title_and_every_template_a_page():
    """RGAA 8.6. Two states of one address may share their title."""
    for language in ("fr", "en"):
        paths_of = defaultdict(set)
        for page in (load_page(name, language) for name in PAGES):
            if page.status == 200:
                paths_of[title_of(page.html)].add(page.path.split("?")[0])
        assert {title: paths for title, paths in paths_of.items() if len(paths) > 1} == {}
    rendered = {template for name in ALL for template in load_page(name, "fr").templates}
    folder = settings.BASE_DIR / "templates"
    existing = {str(path.relative_to(folder)) for path in folder.rglob("*.html")}
    tested_elsewhere = {name for name in existing if name.startswith("agents/") or "emails/" in name}
    assert existing - tested_elsewhere - OTHER_ERRORS - rendered == set()
