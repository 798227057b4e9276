"""The contract of every page of the agents' area, in French. What the pages make of hostile input: `tests/fuzz`, and in a
browser `tests/browser/test_hostile_text.py`."""

import re
from collections import defaultdict
from html import unescape

import pytest

from tests.agents.pages import AGENT_PAGES, AGENT_QUERIES, AGENT_REFUSALS, load_agent_page
from tests.pages.rendering import assert_contract, title_of
from tests.project import PACKAGES, PROJECT

# In one process, which makes each page once.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("agents' pages")]

ALL = {**AGENT_PAGES, **AGENT_REFUSALS}
#: Text made HTML, beyond what `tests/fuzz/test_source_patterns.py` looks for.
UNESCAPED = re.compile(r"\b(?:is_safe\s*=\s*True|autoescape\s*=\s*False)\b|\|\s*truncate\w+_html\b")
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
    existing = {f"agents/{path.name}" for path in (PROJECT / "templates/agents").glob("*.html")}
    assert existing - rendered == set()


def test_no_filter_and_no_script_makes_html_of_text():
    """INP-05"""
    paths = [path for folder in (*PACKAGES, "templates", "static") for path in (PROJECT / folder).rglob("*.*")]
    scripts = [path for path in paths if path.suffix == ".js"]
    others = [path for path in paths if path.suffix in (".py", ".html", ".txt")]
    assert scripts
    for files, pattern in ((scripts, IN_SCRIPTS), (others, UNESCAPED)):
        assert [path for path in files if pattern.search(path.read_text())] == []
