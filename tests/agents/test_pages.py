"""The contract of every page of the agents' area, in French."""

import re
from collections import defaultdict
from html import unescape

import pytest
from django.conf import settings

from tests.agents.pages import AGENT_PAGES, AGENT_QUERIES, AGENT_REFUSALS, load_agent_page
from tests.pages.rendering import assert_contract, title_of

# In one process, which makes each page once.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("agents' pages")]

ALL = {**AGENT_PAGES, **AGENT_REFUSALS}


@pytest.mark.parametrize("name", ALL)
def test_page_keeps_the_contract(name):
    """RGAA 8.1, 8.5, 8.6, 9.1, 11.1, the headers of HDR-02 to HDR-04, queries, French typography."""
    page = load_agent_page(name)
    assert_contract(page, "fr", is_refusal=name in AGENT_REFUSALS)
    assert "espace agents DSIN" in page.html
    assert len(page.queries) <= AGENT_QUERIES[name], (len(page.queries), page.queries)
    # No plain space before a high sign, no straight apostrophe between letters.
    text = unescape(re.sub(r"<[^>]+>", " ", page.html))
    assert not re.search(r"\w [:;?!»](?:\s|$)|« ", text), re.search(r".{20} [:;?!»]|« .{20}", text)
    assert not re.search(r"[a-zà-ÿ]'[a-zà-ÿ]", text)


def test_every_page_has_its_own_title():
    paths_of = defaultdict(set)
    for page in map(load_agent_page, AGENT_PAGES):
        paths_of[title_of(page.html)].add(page.path.split("?")[0].split("/")[2])
    assert {title: paths for title, paths in paths_of.items() if len(paths) > 1} == {}


def test_every_template_of_the_agents_is_rendered_by_a_page():
    rendered = {template for name in ALL for template in load_agent_page(name).templates}
    existing = {f"agents/{path.name}" for path in (settings.BASE_DIR / "templates/agents").glob("*.html")}
    assert existing - rendered == set()
