"""The agents' pages in a university of 100,000 accounts: none reads a large table through (performance.md)."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from agents.accounts.search import AccountList
from agents.requests.filters import RequestList
from agents.roles import Role
from assistance.models import AssistanceRequest
from benchmarks.bulk_data import FIRST_ACCOUNT, university_data
from journal.models import JournalEntry
from outbox.models import Message
from tests.agents.signed_in import verified_agent
from tests.agents.test_roles import PAGES, address_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.xdist_group("scale")]

LARGE = {model._meta.db_table for model in (Account, JournalEntry, Message, AssistanceRequest)}
#: Rows that one step may read: a week of the journal, the requests that wait; less when it reads a table through.
MAX_ROWS, MAX_SEQUENTIAL_ROWS = 20_000, 1_000
MAX_QUERIES = 20
#: Reviewed: a file with everything takes everything, and says before how much that is; of the charter one wants to know
#: how many of all who are active have accepted it.
READ_EVERYTHING = {"export-journal", "export-accounts", "export-requests", "charters"}
SEARCHES = ("Martin", "camille martin", "eleonore lefevre", "francois-xavier d'amier", "l", "ma", "introuvable", "%25")
SEARCHES += ("personne.54321@univ-exemple.fr", "S54321", "martin&etat=locked", "martin&page=40")
FILTERED = [
    *(f"comptes/?etat={among}" for among in AccountList),
    *(f"comptes/?q={words}" for words in SEARCHES),
    *(f"comptes/{FIRST_ACCOUNT}/?{query}" for query in ("page=99", "sujet=connexions", "sujet=e-mails")),
    *(f"demandes/?etat={among}" for among in RequestList),
    *(f"demandes/?{query}" for query in ("profil=student", "page=40", "q=martin&etat=all", "personne=W2500")),
    *(f"journal/?evenement={event}" for event in ("authn_login_lock", "changements", "connexions")),
    *(f"journal/?{query}" for query in ("par=personne", "compte=personne.1", "du=2020-01-01&au=2020-01-01")),
    "adresses/?page=2",
]


class Reading(NamedTuple):
    """Rows that one node of a plan reads of one table, filtered ones included."""

    table: str
    step: str
    rows: int
    statement: str


def queries_of(ask: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        ask()
    return [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]


def readings(statement: str) -> list[Reading]:
    """Empty for a statement that writes."""
    if not statement.lstrip(" (").startswith(("SELECT", "WITH")):
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING off, FORMAT json) {statement}")
        [answer] = cursor.fetchone()
    plan = answer if isinstance(answer, list) else json.loads(answer)
    return list(readings_of(plan[0]["Plan"], statement))


def readings_of(node: dict[str, Any], statement: str) -> Iterator[Reading]:
    if "Relation Name" in node:
        filtered = sum(rows for fact, rows in node.items() if fact.startswith("Rows Removed by"))
        rows = round((node["Actual Rows"] + filtered) * node["Actual Loops"])
        yield Reading(node["Relation Name"], node["Node Type"], rows, statement)
    for below in node.get("Plans", []):
        yield from readings_of(below, statement)


@pytest.fixture(scope="module")
def browser(django_db_setup: None, django_db_blocker) -> Iterator[Client]:
    with django_db_blocker.unblock(), university_data():
        yield verified_agent(Role.RESPONSABLES)[1]


def excessive_reads(queries: list[str]) -> list[str]:
    found = [reading for query in queries for reading in readings(query) if reading.table in LARGE]
    most = {"Seq Scan": MAX_SEQUENTIAL_ROWS}
    return [str(reading) for reading in found if reading.rows > most.get(reading.step, MAX_ROWS)]


def test_no_page_reads_a_large_table_through(browser: Client):
    found = {}
    for pattern in PAGES:
        address = address_of(pattern)
        if pattern.name not in READ_EVERYTHING:
            found[pattern.name] = excessive_reads(queries_of(lambda address=address: browser.get(address)))
    journal = browser.get("/admin/journal/").context["page"]
    for page in (*FILTERED, f"journal/?avant={journal.older}", f"journal/?apres={journal.older}"):
        answers = []
        queries = queries_of(lambda page=page, answers=answers: answers.append(browser.get(f"/admin/{page}")))
        assert (answers[0].status_code, len(queries) <= MAX_QUERIES) == (200, True), (page, queries)
        found[page] = excessive_reads(queries)
    assert {name: steps for name, steps in found.items() if steps} == {}
