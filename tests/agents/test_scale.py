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
from tests.plans import Reading, queries_of, readings

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.xdist_group("scale")]

LARGE = {model._meta.db_table for model in (Account, JournalEntry, Message, AssistanceRequest)}
#: Rows that one step may read: a week of the journal, the requests that wait.
MAX_ROWS = 20_000
#: A table that is read through may be small; a large one is not read through at all.
MAX_SEQUENTIAL_ROWS = 1_000
#: Reviewed: a file with everything takes everything, and says before how much that is; of the charter one wants to know
#: how many of all who are active have accepted it.
READ_EVERYTHING = {"export-journal", "export-accounts", "export-requests", "charters"}

ACCOUNTS, REQUESTS, JOURNAL = "/admin/comptes/", "/admin/demandes/", "/admin/journal/"
SEARCHES = {
    "a common name": "Martin",
    "two words": "camille martin",
    "an accent": "Éléonore Lefèvre",
    "without the accent": "eleonore lefevre",
    "a name in two parts": "francois-xavier d'amier",
    "an address": "personne.54321@univ-exemple.fr",
    "a short name": "p54321",
    "a number of HR": "S54321",
    "one letter": "l",
    "two letters": "ma",
    "no match": "introuvable",
    "many words": "camille martin eleonore zoe ines paul",
    "a wildcard": "%",
}
#: What agents open, and whose budget it has (`test_pages`).
SCREENS = {
    "home": ("/admin/", "home"),
    **{f"accounts, {among.name}": (f"{ACCOUNTS}?etat={among}", "accounts_with_several_pages") for among in AccountList},
    "the last page of accounts": (f"{ACCOUNTS}?page=40", "accounts"),
    "a common name among the locked": (f"{ACCOUNTS}?q=martin&etat=locked", "accounts_with_several_pages"),
    "the last page of a common name": (f"{ACCOUNTS}?q=martin&page=40", "accounts_with_several_pages"),
    "an account with a long timeline": (f"{ACCOUNTS}{FIRST_ACCOUNT}/", "account_with_everything"),
    "its last page": (f"{ACCOUNTS}{FIRST_ACCOUNT}/?page=99", "account_with_everything"),
    "its sign-ins": (f"{ACCOUNTS}{FIRST_ACCOUNT}/?sujet=connexions", "account_with_everything"),
    "its mails": (f"{ACCOUNTS}{FIRST_ACCOUNT}/?sujet=e-mails", "account_with_everything"),
    **{f"requests, {among.name}": (f"{REQUESTS}?etat={among}", "requests") for among in RequestList},
    "requests of students": (f"{REQUESTS}?profil=student", "requests"),
    "the last page of requests": (f"{REQUESTS}?page=40", "requests"),
    "requests of a common name": (f"{REQUESTS}?q=martin&etat=all", "requests_of_one_person"),
    "requests by their reference": (f"{REQUESTS}?q=A-BCDFG", "requests_of_one_person"),
    "requests of one person": (f"{REQUESTS}?personne=W2500", "requests_of_one_person"),
    "a request": (f"{REQUESTS}w2500/", "request"),
    "the journal": (JOURNAL, "journal"),
    "the journal of locks": (f"{JOURNAL}?evenement=authn_login_lock", "journal"),
    "the journal without sign-ins": (f"{JOURNAL}?evenement=changements", "journal"),
    "the journal of sign-ins": (f"{JOURNAL}?evenement=connexions", "journal"),
    "the journal of what people do": (f"{JOURNAL}?par=personne", "journal"),
    "the journal of one person": (f"{JOURNAL}?compte=personne.1", "journal_of_an_account"),
    "the journal of one day": (f"{JOURNAL}?du=2020-01-01&au=2020-01-01", "journal_without_entries"),
    "addresses": ("/admin/adresses/", "addresses"),
    "the second page of addresses": ("/admin/adresses/?page=2", "addresses_with_several_pages"),
    "agents": ("/admin/agents/", "agents"),
}


@pytest.fixture(scope="module")
def browser(django_db_setup: None, django_db_blocker) -> Iterator[Client]:
    """Of an agent with every permission."""
    with django_db_blocker.unblock(), university_data():
        _agent, browser = verified_agent(Role.RESPONSABLES)
        yield browser


def excessive_reads(queries: list[str]) -> list[str]:
    """The steps that read more of a large table than a page is worth."""
    found = [reading for query in queries for reading in readings(query) if reading.table in LARGE]
    return [str(reading) for reading in found if reading.rows > max_rows(reading)]


def max_rows(reading: Reading) -> int:
    return MAX_SEQUENTIAL_ROWS if reading.step == "Seq Scan" else MAX_ROWS


def excessive_cost(browser: Client, address: str, budget: str) -> list[str]:
    """Why the page costs more than it does with nothing there."""
    answers = []
    queries = queries_of(lambda: answers.append(browser.get(address)))
    found = excessive_reads(queries)
    if answers[0].status_code != 200:
        found.append(f"status {answers[0].status_code}")
    if len(queries) > AGENT_QUERIES[budget]:
        found += [f"{len(queries)} queries, not {AGENT_QUERIES[budget]}", *(query[:300] for query in queries)]
    return found


def test_pages_and_searches_cost_as_little_as_ever(browser: Client):
    searches = {name: f"{ACCOUNTS}?q={words.replace('%', '%25')}" for name, words in SEARCHES.items()}
    pages = SCREENS | {name: (address, "accounts_with_several_pages") for name, address in searches.items()}
    found = {name: excessive_cost(browser, *page) for name, page in pages.items()}
    assert {name: reasons for name, reasons in found.items() if reasons} == {}


def test_no_page_reads_a_large_table_through(browser: Client):
    """From the day that it appears."""
    found = {}
    for pattern in PAGES:
        address = address_of(pattern)
        if pattern.name not in READ_EVERYTHING:
            found[pattern.name] = excessive_reads(queries_of(lambda: browser.get(address)))
    assert {name: steps for name, steps in found.items() if steps} == {}


def test_the_journal_is_read_on_from_any_of_its_pages(browser: Client):
    """The second page costs what the first does, and leads back to it."""
    first = browser.get(JOURNAL).context["page"]
    assert excessive_cost(browser, f"{JOURNAL}?avant={first.older}", "journal") == []
    second = browser.get(f"{JOURNAL}?avant={first.older}").context["page"]
    # To fill the first page, it is read once more.
    assert excessive_cost(browser, f"{JOURNAL}?apres={second.newer}", "journal_of_an_account") == []
    assert not {entry.pk for entry in first.entries} & {entry.pk for entry in second.entries}
