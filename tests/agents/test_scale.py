"""The agents' pages in a university of 100,000 accounts: as few queries as ever, and none that reads a large table
through (performance.md). Nothing here is timed."""

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts.models import Account
from agents.accounts.search import AccountList
from agents.requests.filters import RequestList
from agents.roles import Role
from assistance.models import AssistanceRequest
from journal.models import JournalEntry
from outbox.models import Message
from tests.agents.bulk_data import FIRST_ACCOUNT, university_data
from tests.agents.pages import AGENT_QUERIES
from tests.agents.signed_in import verified_agent
from tests.agents.test_roles import PAGES, address_of
from tests.plans import queries_of, readings

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.xdist_group("scale")]

LARGE = {model._meta.db_table for model in (Account, JournalEntry, Message, AssistanceRequest)}
#: Rows that one step may read: a week of the journal, the requests that wait; less when it reads a table through.
MAX_ROWS, MAX_SEQUENTIAL_ROWS = 20_000, 1_000
#: Reviewed: a file with everything takes everything, and says before how much that is; of the charter one wants to know
#: how many of all who are active have accepted it.
READ_EVERYTHING = {"export-journal", "export-accounts", "export-requests", "charters"}
SEARCHES = ("Martin", "camille martin", "eleonore lefevre", "francois-xavier d'amier", "l", "ma", "introuvable")
SEARCHES += ("personne.54321@univ-exemple.fr", "S54321", "camille martin eleonore zoe ines paul", "%25")
#: What agents open, by the page whose budget it has (`test_pages`).
SCREENS = {
    "home": [""],
    "accounts": ["comptes/?page=40"],
    "accounts_with_several_pages": [
        *(f"comptes/?etat={among}" for among in AccountList),
        *(f"comptes/?q={words}" for words in SEARCHES),
        "comptes/?q=martin&etat=locked",
        "comptes/?q=martin&page=40",
    ],
    "account_with_everything": [
        f"comptes/{FIRST_ACCOUNT}/{query}" for query in ("", "?page=99", "?sujet=connexions", "?sujet=e-mails")
    ],
    "requests": [
        *(f"demandes/?etat={among}" for among in RequestList),
        "demandes/?profil=student",
        "demandes/?page=40",
    ],
    "requests_of_one_person": ["demandes/?q=martin&etat=all", "demandes/?q=A-BCDFG", "demandes/?personne=W2500"],
    "request": ["demandes/w2500/"],
    "journal": [
        "journal/",
        *(f"journal/?evenement={event}" for event in ("authn_login_lock", "changements", "connexions")),
        "journal/?par=personne",
    ],
    "journal_of_an_account": ["journal/?compte=personne.1"],
    "journal_without_entries": ["journal/?du=2020-01-01&au=2020-01-01"],
    "addresses": ["adresses/"],
    "addresses_with_several_pages": ["adresses/?page=2"],
    "agents": ["agents/"],
}


@pytest.fixture(scope="module")
def browser(django_db_setup: None, django_db_blocker) -> Iterator[Client]:
    """Of an agent with every permission."""
    with django_db_blocker.unblock(), university_data():
        yield verified_agent(Role.RESPONSABLES)[1]


def excessive_reads(queries: list[str]) -> list[str]:
    """The steps that read more of a large table than a page is worth."""
    found = [reading for query in queries for reading in readings(query) if reading.table in LARGE]
    most = {"Seq Scan": MAX_SEQUENTIAL_ROWS}
    return [str(reading) for reading in found if reading.rows > most.get(reading.step, MAX_ROWS)]


def excessive_cost(browser: Client, address: str, budget: str) -> list[str]:
    """Why the page costs more than it does with nothing there."""
    answers = []
    queries = queries_of(lambda: answers.append(browser.get(address)))
    assert answers[0].status_code == 200, address
    many = [f"{len(queries)} queries"] if len(queries) > AGENT_QUERIES[budget] else []
    return [f"{address}: {trouble}" for trouble in many + excessive_reads(queries)]


def test_pages_and_searches_cost_as_little_as_ever(browser: Client):
    costs = [excessive_cost(browser, f"/admin/{page}", budget) for budget, pages in SCREENS.items() for page in pages]
    assert [trouble for troubles in costs for trouble in troubles] == []


def test_no_page_reads_a_large_table_through(browser: Client):
    """From the day that it appears."""
    pages = {pattern.name: address_of(pattern) for pattern in PAGES if pattern.name not in READ_EVERYTHING}
    found = {name: excessive_reads(queries_of(lambda page=page: browser.get(page))) for name, page in pages.items()}
    assert {name: steps for name, steps in found.items() if steps} == {}


def test_the_journal_is_read_on_from_any_of_its_pages(browser: Client):
    """The second page costs what the first does, and leads back to it, for which it is read once more."""
    first = browser.get("/admin/journal/").context["page"]
    second = browser.get(f"/admin/journal/?avant={first.older}").context["page"]
    assert excessive_cost(browser, f"/admin/journal/?avant={first.older}", "journal") == []
    assert excessive_cost(browser, f"/admin/journal/?apres={second.newer}", "journal_of_an_account") == []
    assert not {entry.pk for entry in first.entries} & {entry.pk for entry in second.entries}
