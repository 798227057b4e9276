"""The agents' pages in a university of 100,000 accounts: as few queries as ever, and none that reads a large table
through (performance.md). Nothing here is timed."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern

from accounts.models import Account, JournalEntry
from assistance.agents.roles import Role
from assistance.models import AssistanceRequest
from outbox.models import Message
from tests.assistance.agents.crowd import SOMEBODY, a_university
from tests.assistance.agents.test_pages import BUDGETS
from tests.assistance.agents.test_roles import PAGES, address_of
from tests.assistance.agents.working import inside
from tests.plans import Reading, queries_of, readings

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("scale")]

LARGE = {model._meta.db_table for model in (Account, JournalEntry, Message, AssistanceRequest)}
#: Rows that one step may read: a week of the journal, the requests that wait.
MOST_ROWS = 20_000
#: A table that is read through may be small; a large one is not read through at all.
MOST_ROWS_IN_SEQUENCE = 1_000
SEARCHES = {
    "a common name": "Martin",
    "two words": "camille martin",
    "an accent": "Éléonore Lefèvre",
    "without the accent": "eleonore lefevre",
    "a name in two parts": "francois-xavier d'amier",
    "an address": "personne.54321@univ-exemple.fr",
    "a short name": "p54321",
    "a number of HR": "S054321",
    "one letter": "l",
    "two letters": "ma",
    "nobody": "introuvable",
    "many words": "camille martin eleonore zoe ines paul",
    "a wildcard": "%",
}


@pytest.fixture(scope="module", autouse=True)
def everybody(django_db_setup: None, django_db_blocker) -> Iterator[None]:
    with django_db_blocker.unblock(), a_university():
        yield


@pytest.fixture
def browser() -> Client:
    _agent, browser = inside(Role.RESPONSABLES)
    return browser


def large_readings(queries: list[str]) -> list[Reading]:
    return [reading for query in queries for reading in readings(query) if reading.table in LARGE]


def assert_little_is_read(queries: list[str]) -> None:
    found = large_readings(queries)
    assert [str(reading) for reading in found if reading.rows > most_rows(reading)] == []


def most_rows(reading: Reading) -> int:
    return MOST_ROWS_IN_SEQUENCE if reading.step == "Seq Scan" else MOST_ROWS


def opened(browser: Client, address: str, budget: int) -> bytes:
    """The page, which has cost few queries and little reading."""
    answers = []
    queries = queries_of(lambda: answers.append(browser.get(address)))
    assert answers[0].status_code == 200
    assert len(queries) <= budget, queries
    assert_little_is_read(queries)
    return answers[0].content


@pytest.mark.parametrize("pattern", PAGES, ids=lambda pattern: pattern.name)
def test_no_page_reads_a_large_table_through(pattern: URLPattern, browser: Client):
    address = address_of(pattern)
    assert_little_is_read(queries_of(lambda: browser.get(address)))


@pytest.mark.parametrize("typed", SEARCHES.values(), ids=SEARCHES)
def test_a_search_reads_little(typed: str, browser: Client):
    queries = queries_of(lambda: browser.get("/admin/comptes/", {"q": typed}))
    assert len(queries) <= BUDGETS["accounts"]
    assert_little_is_read(queries)


def test_x(browser):
    opened(browser, f"/admin/comptes/{SOMEBODY}/", BUDGETS["account"])
