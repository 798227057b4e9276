"""What holds for every page of the agents' area: the rules of `tests/test_pages.py`, in French."""

import re
from functools import cache
from html import unescape
from typing import NamedTuple

import pytest
from django.conf import settings as portal
from django.db import connection, transaction
from django.http import HttpResponse
from django.template import engines
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.agents.pages import AGENT_PAGES, AGENT_REFUSALS
from tests.headers import assert_headers
from tests.memory import clear_redis
from tests.pages import PageRequest
from tests.pages.rendering import UNDEFINED, Outline, title_of, undefined_variables

# Each page is made once, for all that is checked on it.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("agents' pages")]

ALL = {**AGENT_PAGES, **AGENT_REFUSALS}
#: Queries: session, account, device and two for the abilities come first once inside.
OUTSIDE, INSIDE = 3, 5
BUDGETS = {
    "verification": OUTSIDE + 1,
    "verification_refused": OUTSIDE + 6,
    "enrolment": OUTSIDE + 1,
    "application": OUTSIDE + 2,
    "backup_codes": OUTSIDE + 40,
    "device": INSIDE + 3,
    "device_replacement": INSIDE,
    "device_backup_codes": INSIDE,
    "device_removal": INSIDE,
    "home": INSIDE + 8,
    "accounts": INSIDE + 2,
    "accounts_with_several_pages": INSIDE + 3,
    "accounts_with_an_invisible_character": INSIDE,
    "account_with_its_address": INSIDE + 14,
    "addresses": INSIDE + 3,
    "addresses_with_several_pages": INSIDE + 3,
    "address": INSIDE + 3,
    "address_approved": INSIDE + 3,
    "address_given_up": INSIDE + 3,
    "address_give_up": INSIDE + 2,
    "address_dismiss": INSIDE + 1,
    "address_correct": INSIDE + 4,
    "address_correct_with_a_proof": INSIDE + 6,
    "address_correct_with_a_slip": INSIDE + 3,
    "account_with_everything": INSIDE + 15,
    "account_lock": INSIDE + 4,
    "account_lock_without_a_reason": INSIDE + 2,
    "account_release": INSIDE + 13,
    "account_release_to_nowhere": INSIDE + 8,
    "account_release_without_anything": INSIDE + 12,
    "account_put_back": INSIDE + 12,
    "account_put_back_without_a_reason": INSIDE + 11,
    "account_resend": INSIDE + 4,
    "account_resend_when_active": INSIDE + 3,
    "account_resend_too_early": INSIDE + 7,
    "agents": INSIDE + 2,
    "agent_new": INSIDE,
    "agent_new_of_a_locked_account": INSIDE + 1,
    "agent_appointed": INSIDE + 4,
    "agent_role": INSIDE + 2,
    "agent_withdrawal": INSIDE + 1,
    "agent_code": INSIDE + 2,
    "agent_code_given": INSIDE + 9,
    "journal": INSIDE + 2,
    "journal_of_an_account": INSIDE + 4,
    "journal_without_entries": INSIDE + 2,
    "journal_of_nobody": INSIDE + 2,
    "export_of_the_journal": INSIDE + 3,
    "export_without_a_reason": INSIDE + 2,
    "charters": INSIDE + 4,
    "charter_of_a_version": INSIDE + 3,
    "charter_preview": INSIDE + 2,
    "charter_preview_with_gaps": INSIDE + 2,
    "charter_new": INSIDE + 4,
    "charter_new_without_a_name": INSIDE,
    "charter_edit": INSIDE + 2,
    "charter_edit_saved_by_another_meanwhile": INSIDE + 3,
    "charter_edit_published_meanwhile": INSIDE + 3,
    "charter_publish": INSIDE + 2,
    "charter_publish_changed_meanwhile": INSIDE + 5,
    "charter_deletion": INSIDE + 1,
    "imports": INSIDE + 1,
    "imports_without_a_file": INSIDE + 1,
    "import_running": INSIDE + 1,
    "import_previewed": INSIDE + 2,
    "import_out_of_the_ordinary": INSIDE + 2,
    "import_not_confirmed_twice": INSIDE + 4,
    "import_done": INSIDE + 1,
    "requests": INSIDE + 2,
    "requests_of_one_person": INSIDE + 3,
    "request": INSIDE + 7,
    "request_in_hand": INSIDE + 7,
    "request_that_a_colleague_has_taken_meanwhile": INSIDE + 10,
    "request_with_its_identity": INSIDE + 8,
    "request_closed": INSIDE + 7,
    "request_closed_without_a_reason": INSIDE + 7,
}


class Seen(NamedTuple):
    ask: PageRequest
    response: HttpResponse
    html: str
    queries: list[str]


@cache
def seen(name: str) -> Seen:
    """The page, made once; a variable that its view does not give shows."""
    clear_redis()
    with transaction.atomic():
        page = made(name)
        transaction.set_rollback(True)
    return page


def made(name: str) -> Seen:
    """The page; its status is checked on the way."""
    browser = Client()
    ask = ALL[name](browser)
    with pytest.MonkeyPatch.context() as trap, CaptureQueriesContext(connection) as captured:
        trap.setattr(engines["django"].engine, "string_if_invalid", UNDEFINED)
        response = ask.send(browser)
    assert response.status_code == ask.status, ask
    queries = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]
    return Seen(ask, response, response.content.decode(), queries)


@pytest.mark.parametrize("name", ALL)
def test_a_page_keeps_the_contract(name):
    """RGAA 8.1, 8.5, 8.6, 9.1, 11.1, the headers of HDR-02 to HDR-04, queries, French typography."""
    page = seen(name)
    outline = Outline(page.html)

    assert not undefined_variables(page.html)
    assert '<html lang="fr">' in page.html
    assert "espace agents DSIN" in page.html
    assert outline.headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(outline.headings, outline.headings[1:], strict=False))
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.references) <= set(outline.ids)
    assert set(outline.fields) <= outline.labelled
    assert title_of(page.html).endswith(f"– {portal.UNIVERSITY_NAME}")
    assert title_of(page.html).startswith("Erreur – ") == (name in AGENT_REFUSALS)
    assert_headers(page.response)
    assert len(page.queries) <= BUDGETS[name], (len(page.queries), page.queries)
    # No plain space before a high sign, no straight apostrophe between letters.
    text = unescape(re.sub(r"<[^>]+>", " ", page.html))
    assert not re.search(r"\w [:;?!»](?:\s|$)|« ", text), re.search(r".{20} [:;?!»]|« .{20}", text)
    assert not re.search(r"[a-zà-ÿ]'[a-zà-ÿ]", text)


def test_every_page_has_a_title_of_its_own():
    pages = {}
    for name in AGENT_PAGES:
        page = seen(name)
        pages.setdefault(title_of(page.html), set()).add(page.ask.path.split("?")[0].split("/")[2:4][0])

    assert {title: paths for title, paths in pages.items() if len(paths) > 1} == {}


def test_every_template_of_the_agents_is_looked_at():
    looked_at = set()
    for name in ALL:
        looked_at |= {str(template.name) for template in seen(name).response.templates}
    existing = {f"agents/{path.name}" for path in (portal.BASE_DIR / "templates/agents").glob("*.html")}

    assert existing - looked_at == set()
