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
from tests.memory import forget_limits
from tests.pages import Ask
from tests.test_pages import HOLE, USUAL_VALUE, Outline, title_of

# Each page is made once, for all that is checked on it.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("agents' pages")]

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
    "home_of_a_responsable": INSIDE + 8,
    "accounts": INSIDE + 2,
    "accounts_with_several_pages": INSIDE + 3,
    "accounts_with_nobody": INSIDE + 2,
    "accounts_with_an_invisible_character": INSIDE,
    "account": INSIDE + 15,
    "account_with_its_address": INSIDE + 14,
    "account_of_an_agent": INSIDE + 14,
    "addresses": INSIDE + 3,
    "addresses_with_several_pages": INSIDE + 3,
    "addresses_with_none": INSIDE + 3,
    "address": INSIDE + 3,
    "address_of_ones_own_proposal": INSIDE + 3,
    "address_approved": INSIDE + 3,
    "address_outdated": INSIDE + 3,
    "address_in_force": INSIDE + 3,
    "address_undone": INSIDE + 3,
    "address_given_up": INSIDE + 3,
    "address_give_up": INSIDE + 2,
    "address_give_up_without_a_reason": INSIDE + 2,
    "address_dismiss": INSIDE + 1,
    "address_correct": INSIDE + 4,
    "address_correct_with_a_proof": INSIDE + 6,
    "address_correct_when_one_is_open": INSIDE + 4,
    "address_correct_when_closed": INSIDE + 4,
    "address_correct_with_a_slip": INSIDE + 3,
    "address_correct_proposed_meanwhile": INSIDE + 6,
    "account_with_everything": INSIDE + 15,
    "account_of_nobody_any_more": INSIDE + 14,
    "account_lock": INSIDE + 4,
    "account_lock_of_somebody_unreachable": INSIDE + 3,
    "account_lock_when_locked": INSIDE + 4,
    "account_lock_when_erased": INSIDE + 3,
    "account_lock_without_a_reason": INSIDE + 2,
    "account_lock_too_late": INSIDE + 5,
    "account_release": INSIDE + 13,
    "account_release_with_little_to_say": INSIDE + 8,
    "account_release_while_an_address_waits": INSIDE + 8,
    "account_release_to_nowhere": INSIDE + 8,
    "account_release_when_not_locked": INSIDE + 6,
    "account_release_when_closed": INSIDE + 8,
    "account_release_without_anything": INSIDE + 12,
    "account_release_too_late": INSIDE + 10,
    "account_put_back": INSIDE + 12,
    "account_put_back_nothing": INSIDE + 7,
    "account_put_back_when_not_locked": INSIDE + 5,
    "account_put_back_without_a_reason": INSIDE + 11,
    "account_resend": INSIDE + 4,
    "account_resend_after_a_release": INSIDE + 4,
    "account_resend_when_active": INSIDE + 3,
    "account_resend_when_locked": INSIDE + 4,
    "account_resend_when_closed": INSIDE + 3,
    "account_resend_to_nowhere": INSIDE + 4,
    "account_resend_to_a_stranger": INSIDE + 4,
    "account_resend_too_early": INSIDE + 7,
    "agents": INSIDE + 2,
    "agent_new": INSIDE,
    "agent_new_of_a_locked_account": INSIDE + 1,
    "agent_appointed": INSIDE + 4,
    "agent_role": INSIDE + 2,
    "agent_role_without_a_change": INSIDE + 2,
    "agent_withdrawal": INSIDE + 1,
    "agent_withdrawal_without_a_reason": INSIDE + 1,
    "agent_code": INSIDE + 2,
    "agent_code_without_a_reason": INSIDE + 2,
    "agent_code_given": INSIDE + 8,
    "journal": INSIDE + 2,
    "journal_of_an_account": INSIDE + 4,
    "journal_without_entries": INSIDE + 2,
    "journal_of_nobody": INSIDE + 2,
    "export_of_the_journal": INSIDE + 3,
    "export_without_a_reason": INSIDE + 2,
    "export_of_accounts": INSIDE + 2,
    "export_of_requests": INSIDE + 1,
    "charters": INSIDE + 4,
    "charters_for_readers": INSIDE + 4,
    "charters_without_a_draft": INSIDE + 4,
    "charter_of_a_version": INSIDE + 3,
    "charter_preview": INSIDE + 2,
    "charter_preview_with_gaps": INSIDE + 2,
    "charter_preview_of_the_same": INSIDE + 2,
    "charter_preview_of_hostile_texts": INSIDE + 2,
    "charter_of_hostile_texts": INSIDE + 3,
    "charter_new": INSIDE + 4,
    "charter_new_without_a_name": INSIDE,
    "charter_new_beside_a_draft": INSIDE + 2,
    "charter_edit": INSIDE + 2,
    "charter_edit_saved_by_another_meanwhile": INSIDE + 3,
    "charter_edit_published_meanwhile": INSIDE + 3,
    "charter_publish": INSIDE + 2,
    "charter_publish_without_a_summary": INSIDE + 2,
    "charter_publish_changed_meanwhile": INSIDE + 5,
    "charter_deletion": INSIDE + 1,
    "imports": INSIDE + 1,
    "imports_with_none": INSIDE + 1,
    "imports_without_a_file": INSIDE + 1,
    "imports_of_a_file_without_our_columns": INSIDE + 1,
    "import_received": INSIDE + 1,
    "import_running": INSIDE + 1,
    "import_stopped": INSIDE + 1,
    "import_previewed": INSIDE + 2,
    "import_out_of_the_ordinary": INSIDE + 2,
    "import_of_nothing_new": INSIDE + 2,
    "import_not_confirmed_twice": INSIDE + 4,
    "import_done": INSIDE + 1,
    "import_abandoned": INSIDE + 1,
    "requests": INSIDE + 2,
    "requests_of_every_state": INSIDE + 2,
    "requests_of_one_person": INSIDE + 3,
    "requests_with_several_pages": INSIDE + 2,
    "requests_that_there_are_none_of": INSIDE + 2,
    "requests_with_an_invisible_character": INSIDE + 2,
    "request": INSIDE + 7,
    "request_of_nobody": INSIDE + 7,
    "request_of_one_s_own": INSIDE + 7,
    "request_in_hand": INSIDE + 7,
    "request_in_a_colleague_s_hand": INSIDE + 7,
    "request_that_a_colleague_has_taken_meanwhile": INSIDE + 10,
    "request_after_three_wrong_answers": INSIDE + 7,
    "request_with_its_identity": INSIDE + 8,
    "request_closed": INSIDE + 7,
    "request_closed_without_a_reason": INSIDE + 7,
    "request_attached_to_nobody": INSIDE + 12,
}


class Seen(NamedTuple):
    """One page, as somebody new sees it."""

    ask: Ask
    response: HttpResponse
    html: str
    queries: list[str]


@cache
def seen(name: str) -> Seen:
    """The page, made as if nobody had made another before; a variable that its view does not give shows."""
    forget_limits()
    with transaction.atomic():
        page = made(name)
        transaction.set_rollback(True)
    return page


def made(name: str) -> Seen:
    """The page; its status is checked on the way."""
    browser = Client()
    ask = ALL[name](browser)
    with pytest.MonkeyPatch.context() as trap, CaptureQueriesContext(connection) as captured:
        trap.setattr(engines["django"].engine, "string_if_invalid", HOLE)
        response = ask.by(browser)
    assert response.status_code == ask.status, ask
    queries = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]
    return Seen(ask, response, response.content.decode(), queries)


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_whole(name):
    """RGAA 8.1, 8.5, 8.6, 9.1, 11.1, and the headers of HDR-02 to HDR-04."""
    html = seen(name).html
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
    assert_headers(seen(name).response)


@pytest.mark.parametrize("name", ALL)
def test_a_page_costs_few_queries(name):
    spoken = seen(name).queries
    assert len(spoken) <= BUDGETS[name], (len(spoken), spoken)


@pytest.mark.parametrize("name", ALL)
def test_a_page_holds_typed_spaces_and_apostrophes(name):
    """French typography: no plain space before a high sign, no straight apostrophe between letters."""
    html = re.sub(r"<[^>]+>", " ", seen(name).html)
    text = unescape(html)

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
