"""A page made once a language, and what its HTML says."""

import re
from collections import Counter
from functools import cache
from html import unescape
from html.parser import HTMLParser
from typing import NamedTuple

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse
from django.template import engines
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import translation

from tests.headers import assert_headers
from tests.memory import clear_redis
from tests.pages.registry import ACTIONS, PAGES, REFUSALS, Page

UNDEFINED = "<<no variable %s>>"
#: Given their default value by the `default` filter, which comes after `string_if_invalid`.
OPTIONAL = frozenset({"wait_seconds", "kind", "other_language_url"})
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})


class LoadedPage(NamedTuple):
    path: str
    status: int
    response: HttpResponse
    html: str
    templates: frozenset[str]
    queries: list[str]


@cache
def load_page(name: str, language: str) -> LoadedPage:
    """The page, made in a transaction that is rolled back."""
    return render({**PAGES, **REFUSALS, **ACTIONS}[name], language)


def render(make: Page, language: str = "fr") -> LoadedPage:
    clear_redis()
    # Settings that `make` changes are as before afterwards.
    with translation.override(language), transaction.atomic(), override_settings():
        client = Client()
        request = make(client)
        with pytest.MonkeyPatch.context() as patch, CaptureQueriesContext(connection) as captured:
            patch.setattr(engines["django"].engine, "string_if_invalid", UNDEFINED)
            response = request.send(client)
        transaction.set_rollback(True)
    assert response.status_code == request.status, request
    templates = frozenset(str(template.name) for template in response.templates)
    queries = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]
    return LoadedPage(request.path, response.status_code, response, response.content.decode(), templates, queries)


def undefined_variables(html: str) -> set[str]:
    return set(re.findall(r"<<no variable (\w+)", unescape(html))) - OPTIONAL


def title_of(html: str) -> str:
    found = re.search(r"<title>(.*?)</title>", html, re.DOTALL)
    assert found
    return re.sub(r"[ \n]+", " ", unescape(found[1])).strip(" ")


class Outline(HTMLParser):
    """Headings, ids, references to ids, links; fails on a tag that is closed twice or never."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.labelled: set[str] = set()
        self.fields: list[str] = []
        self.links: set[str] = set()
        self.feed(html)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name in ("aria-describedby", "aria-labelledby", "aria-controls", "for"):
            self.references += str(given.get(name) or "").split()
        if tag == "label":
            self.labelled.add(str(given.get("for")))
        if tag in ("input", "select", "textarea") and given.get("type") != "hidden":
            self.fields.append(str(given.get("id")))
        self.links |= {str(given[name]) for name in ("href", "src", "action") if given.get(name)}

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass  # An element of an SVG.

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, tag


def assert_contract(page: LoadedPage, language: str, *, is_refusal: bool) -> Outline:
    """What holds in both parts of the portal."""
    outline = Outline(page.html)
    assert not undefined_variables(page.html)
    assert page.html.startswith("<!doctype html>")
    assert f'<html lang="{language}">' in page.html
    assert outline.headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(outline.headings, outline.headings[1:], strict=False))
    assert [one for one, times in Counter(outline.ids).items() if times > 1] == []
    assert set(outline.references) <= set(outline.ids)
    assert set(outline.fields) <= outline.labelled
    assert title_of(page.html).endswith(f"– {settings.UNIVERSITY_NAME}")
    assert title_of(page.html).startswith(("Erreur – ", "Error – ")) == is_refusal
    assert_headers(page.response)
    return outline
