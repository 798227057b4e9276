"""The contract of every page of the agents' area, in French; where text becomes HTML (INP-05). What the pages make of
hostile input: `tests/fuzz`, and in a browser `tests/browser/test_hostile_text.py`."""

import re
from collections import defaultdict
from html import unescape

import pytest
from django.conf import settings

from tests.agents.pages import AGENT_PAGES, AGENT_QUERIES, AGENT_REFUSALS, load_agent_page
from tests.pages.rendering import assert_contract, title_of
from tests.project import PACKAGES

# In one process, which makes each page once.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("agents' pages")]

ALL = {**AGENT_PAGES, **AGENT_REFUSALS}
#: Where text becomes HTML without being escaped. Reviewed: none of them gets user input, except the
#: charter, which `nh3` cleans on the line that says so.
UNESCAPED = {
    "activation/charter/rendering.py": "mark_safe",
    "agents/second_factor/views.py": "mark_safe",
    "core/forms/renderer.py": "format_html",
    "core/templatetags/icons.py": "mark_safe",
}
WAYS = re.compile(
    r"\b(mark_safe|format_html(?:_join)?|html_safe|is_safe\s*=\s*True|__html__|autoescape\s*=\s*False)\b(?=[\s(=,:)])"
    r"|\|\s*(safe|safeseq|urlize|urlizetrunc|striptags|truncate\w+_html)\b"
)
IMPORTED = re.compile(r"^\s*(?:from|import) .*$", re.MULTILINE)
# `{% autoescape off %}` is for texts, where nothing is HTML.
NOT_ESCAPED = re.compile(r"{%-?\s*autoescape\s+off")
IN_SCRIPTS = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc")


@pytest.mark.parametrize("name", ALL)
def test_page_keeps_the_contract(name):
    """RGAA 8.1, 8.5, 8.6, 9.1, 11.1, the headers of HDR-02 to HDR-04, queries, French typography."""
    page = load_agent_page(name)
    assert_contract(page, "fr", is_refusal=name in AGENT_REFUSALS)
    assert "espace agents DSIN" in page.html
    menu = re.findall(r'<a [^>]*href="(/admin/[^"]*)"(?: aria-current="(\w+)")?', page.html.partition("</header>")[0])
    marked = [mark for _url, mark in menu if mark]
    assert len(marked) == (1 if len(menu) > 1 else 0) or name in AGENT_REFUSALS, menu
    assert len(page.queries) <= AGENT_QUERIES[name], (len(page.queries), page.queries)
    # No plain space before a high sign, no straight apostrophe between letters.
    text = unescape(re.sub(r"<[^>]+>", " ", page.html))
    assert not re.search(r"\w [:;?!»](?:\s|$)|« ", text), re.search(r".{20} [:;?!»]|« .{20}", text)
    assert not re.search(r"[a-zà-ÿ]'[a-zà-ÿ]", text)


def test_every_template_is_rendered_and_every_page_has_its_own_title():
    paths_of = defaultdict(set)
    for page in map(load_agent_page, AGENT_PAGES):
        paths_of[title_of(page.html)].add(page.path.split("?")[0].split("/")[2])
    assert {title: paths for title, paths in paths_of.items() if len(paths) > 1} == {}
    rendered = {template for name in ALL for template in load_agent_page(name).templates}
    existing = {f"agents/{path.name}" for path in (settings.BASE_DIR / "templates/agents").glob("*.html")}
    assert existing - rendered == set()


def test_text_becomes_html_unescaped_where_it_was_reviewed_only():
    """INP-05: a new place has to be looked at, and added to the list."""
    paths = [path for folder in (*PACKAGES, "templates") for path in (settings.BASE_DIR / folder).rglob("*.*")]
    texts = {
        str(path.relative_to(settings.BASE_DIR)): path for path in paths if path.suffix in (".py", ".html", ".txt")
    }
    texts = {name: IMPORTED.sub("", path.read_text()) for name, path in texts.items()}
    found = {name: {way for groups in WAYS.findall(text) for way in groups if way} for name, text in texts.items()}
    assert {name: ", ".join(ways) for name, ways in found.items() if ways} == UNESCAPED
    assert [name for name, text in texts.items() if NOT_ESCAPED.search(text) and not name.endswith(".txt")] == []
    scripts = {path.name: path.read_text() for path in (settings.BASE_DIR / "static").rglob("*.js")}
    assert scripts
    assert [name for name, text in scripts.items() if IN_SCRIPTS.search(text)] == []
