"""What holds for every page of the agents' area: the rules of `tests/test_pages.py`, in French."""

import re
from html import unescape

import pytest
from django.conf import settings as portal
from django.db import connection
from django.http import HttpResponse
from django.template import engines
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.assistance.agents.pages import AGENT_PAGES, AGENT_REFUSALS
from tests.headers import assert_headers
from tests.memory import forget_limits
from tests.pages import Ask, Page
from tests.test_pages import HOLE, USUAL_VALUE, Outline, title_of

pytestmark = pytest.mark.django_db

ALL = {**AGENT_PAGES, **AGENT_REFUSALS}
#: Queries: session, account, device and two for the abilities come first once inside.
OUTSIDE, INSIDE = 3, 5
BUDGETS = {
    "verification": OUTSIDE + 1,
    "verification_on_paper": OUTSIDE + 1,
    "verification_refused": OUTSIDE + 6,
    "verification_slowed_down": OUTSIDE + 5,
    "enrolment": OUTSIDE + 1,
    "enrolment_without_a_code": OUTSIDE + 1,
    "application": OUTSIDE + 2,
    "application_with_a_wrong_code": OUTSIDE + 9,
    "backup_codes": OUTSIDE + 40,
    "device": INSIDE + 3,
    "device_replacement": INSIDE,
    "device_backup_codes": INSIDE,
    "device_removal": INSIDE,
    "device_removal_refused": INSIDE + 4,
    "home": INSIDE + 6,
    "accounts": INSIDE + 2,
    "accounts_with_several_pages": INSIDE + 2,
    "accounts_with_nobody": INSIDE + 2,
    "accounts_with_an_invisible_character": INSIDE,
    "account": INSIDE + 10,
    "account_with_its_address": INSIDE + 9,
    "account_of_an_agent": INSIDE + 10,
    "agents": INSIDE + 2,
    "agent_code": INSIDE + 2,
    "agent_code_without_a_reason": INSIDE + 2,
    "agent_code_given": INSIDE + 8,
}


def seen(page: Page) -> tuple[Ask, HttpResponse]:
    """The page as somebody new sees it; its status is checked on the way."""
    forget_limits()
    browser = Client()
    ask = page(browser)
    response = ask.by(browser)
    assert response.status_code == ask.status, ask
    return ask, response


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_whole(name, monkeypatch):
    """RGAA 8.1, 8.5, 8.6, 9.1, 11.1, and the headers of HDR-02 to HDR-04."""
    monkeypatch.setattr(engines["django"].engine, "string_if_invalid", HOLE)
    _ask, response = seen(ALL[name])
    html = response.content.decode()
    outline = Outline(html)

    assert not set(re.findall(r"<<no variable (\w+)", unescape(html))) - USUAL_VALUE
    assert '<html lang="fr">' in html
    assert "espace agents DSIN" in html
    assert outline.headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(outline.headings, outline.headings[1:], strict=False))
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.references) <= set(outline.ids)
    assert set(outline.fields) <= outline.labelled
    assert title_of(html).endswith(f"– {portal.UNIVERSITY_NAME}")
    assert title_of(html).startswith("Erreur – ") == (name in AGENT_REFUSALS)
    assert_headers(response)


@pytest.mark.parametrize("name", ALL)
def test_a_page_costs_few_queries(name):
    browser = Client()
    ask = ALL[name](browser)
    with CaptureQueriesContext(connection) as captured:
        assert ask.by(browser).status_code == ask.status
    spoken = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]

    assert len(spoken) <= BUDGETS[name], (len(spoken), spoken)


@pytest.mark.parametrize("name", ALL)
def test_a_page_holds_typed_spaces_and_apostrophes(name):
    """French typography: no plain space before a high sign, no straight apostrophe between letters."""
    html = re.sub(r"<[^>]+>", " ", seen(ALL[name])[1].content.decode())
    text = unescape(html)

    assert not re.search(r"\w [:;?!»](?:\s|$)|« ", text), re.search(r".{20} [:;?!»]|« .{20}", text)
    assert not re.search(r"[a-zà-ÿ]'[a-zà-ÿ]", text)


def test_every_page_has_a_title_of_its_own():
    pages = {}
    for name in AGENT_PAGES:
        ask, response = seen(AGENT_PAGES[name])
        pages.setdefault(title_of(response.content.decode()), set()).add(ask.path.split("?")[0].split("/")[2:4][0])

    assert {title: paths for title, paths in pages.items() if len(paths) > 1} == {}


def test_every_template_of_the_agents_is_looked_at():
    looked_at = set()
    for make in ALL.values():
        looked_at |= {str(template.name) for template in seen(make)[1].templates}
    existing = {f"agents/{path.name}" for path in (portal.BASE_DIR / "templates/agents").glob("*.html")}

    assert existing - looked_at == set()
