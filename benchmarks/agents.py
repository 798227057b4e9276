"""The agents' pages in a university of 100,000 accounts against an empty admin page of Django, and against themselves
with 1,000 accounts; 500 locks in one call against one after the other.

Environment: `BENCH_PEOPLE`, how many accounts there are in the end (100,000).
"""

import os
from itertools import count
from statistics import median

from django.db import connection, transaction
from django.utils import timezone

from accounts.auth.sessions import SECOND_FACTOR_AT
from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account, lock_accounts_by_name
from accounts.models import Account
from agents.roles import Role
from benchmarks.bulk_data import BEFORE_THE_FIRST, PERSON, in_bulk, multiply
from benchmarks.serving import Measured, Server, medians, portal, signed_in, visits
from benchmarks.timing import ROUNDS, seconds
from journal.events import Event
from journal.models import JournalEntry
from tests.agents.signed_in import an_agent, enrol_device
from tests.factories import active_account

FEW = 1_000
PEOPLE = int(os.environ.get("BENCH_PEOPLE", "100000"))
VISITS = 20
LOCKS, LOCKS_ONE_BY_ONE = 500, 50
ACCOUNTS = "/admin/comptes/"
FIRST = BEFORE_THE_FIRST + 1
Pages = dict[str, Measured]


def measure() -> str:
    agent = an_agent(Role.RESPONSABLES)
    cookies = cookies_of(agent)
    example = active_account(category=Category.STUDENT)
    with portal(processes=1) as server, portal(processes=1, settings_module="benchmarks.reference_settings") as plain:
        settle(example, 0, FEW)
        before, _empty = rounds(server, plain, cookies, FEW)
        settle(example, FEW, PEOPLE)
        after, empty = rounds(server, plain, cookies, PEOPLE)
    return "\n".join([*pages_told(after, empty), *growth_told(before, after), locks_told()])


def pages_among(people: int) -> dict[str, str]:
    """The addresses that are looked at; the last of the people has an identifier with which no other one begins."""
    return {
        "list": ACCOUNTS,
        "search of a common name": f"{ACCOUNTS}?q=martin",
        "search of two common names": f"{ACCOUNTS}?q=camille+martin",
        "search of an identifier": f"{ACCOUNTS}?q=p{people}",
        "account": f"{ACCOUNTS}{FIRST}/",
    }


def pages_told(pages: Pages, empty: Measured) -> list[str]:
    return [
        f"Agents, {PEOPLE:,} accounts, {name}: {page.p50:.0f} ms, CPU {page.cpu:.1f} ms and {page.database_cpu:.1f} in "
        f"PostgreSQL; empty admin page: {empty.p50:.0f} ms, CPU {empty.cpu:.1f} and {empty.database_cpu:.1f}; "
        f"ratio {page.p50 / empty.p50:.1f}"
        for name, page in pages.items()
    ]


def growth_told(before: Pages, after: Pages) -> list[str]:
    return [
        f"Agents, {name}: {before[name].p50:.0f} ms among {FEW:,} accounts, {after[name].p50:.0f} among {PEOPLE:,}; "
        f"ratio {after[name].p50 / before[name].p50:.2f}"
        for name in before
    ]


def rounds(server: Server, plain: Server, cookies: dict[str, str], people: int) -> tuple[Pages, Measured]:
    """Each page among so many people, and an empty one, in turns; medians."""
    paths = pages_among(people)
    empty, pages = [], []
    for _ in range(ROUNDS):
        empty.append(asked(plain, "/admin/", cookies))
        pages.append({name: asked(server, path, cookies) for name, path in paths.items()})
    return {name: medians([one[name] for one in pages]) for name in paths}, medians(empty)


def asked(server: Server, path: str, cookies: dict[str, str]) -> Measured:
    return server.measure(visits(path, number=VISITS, cookies=cookies), connections=1)


def cookies_of(agent: Account) -> dict[str, str]:
    """Those of a browser in which the agent has given a code."""
    device = enrol_device(agent)
    return signed_in(agent, otp_device_id=device.persistent_id, **{SECOND_FACTOR_AT: int(timezone.now().timestamp())})


def settle(example: Account, already: int, people: int) -> None:
    """As many people, each with some lines in the journal, but for those who are there already."""
    entry = JournalEntry.objects.filter(account=example).first()
    events = f"CASE WHEN n % 3 = 0 THEN '{Event.SIGNED_IN}' ELSE '{Event.SIGNED_OUT}' END"
    owner = f"{BEFORE_THE_FIRST} + (n - 1) / 3 + 1"
    with transaction.atomic(), in_bulk():
        multiply(example, people, first=already + 1, **PERSON)
        multiply(entry, 3 * people, first=3 * already + 1, account_id=owner, actor_id=owner, event=events)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("VACUUM ANALYZE")


def locks_told() -> str:
    people = (Account.objects.get(pk=BEFORE_THE_FIRST + n) for n in count(1))
    together, one_by_one = [], []
    for _ in range(ROUNDS):
        uids = [next(people).uid for _ in range(LOCKS)]
        together.append(
            seconds(lambda uids=uids: lock_accounts_by_name(names=uids, reason=LockReason.PHISHING)) / LOCKS
        )
        alone = [next(people) for _ in range(LOCKS_ONE_BY_ONE)]
        one_by_one.append(seconds(lambda alone=alone: lock_each(alone)) / LOCKS_ONE_BY_ONE)
    ours, reference = median(together), median(one_by_one)
    return (
        f"Agents, {LOCKS} locks in one call: {ours * LOCKS:.2f} s; one after the other: {reference * LOCKS:.2f} s; "
        f"ratio {reference / ours:.1f}"
    )


def lock_each(accounts: list[Account]) -> None:
    for account in accounts:
        lock_account(account=account, reason=LockReason.PHISHING)
