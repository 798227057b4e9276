"""How the time of a page grows from a university of 1,000 accounts to a national service of 1,000,000.

Two databases side by side, the second a copy of the first to which people were added, so that both meet the same noise.
Environment: `BENCH_ACCOUNTS` (1,000,000), each with an entry of the journal and a mail; `BENCH_REQUESTS`, for each
round (200).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from subprocess import PIPE, run

import psycopg
from django.db import connection
from django.urls import reverse

from benchmarks.accounts import account_page, newcomers, wizard_pages
from benchmarks.pages import REQUESTS
from benchmarks.serving import PROJECT, Request, Server, Visit, database_url, portal, visits
from benchmarks.timing import ROUNDS

FEW = 1_000
MANY = int(os.environ.get("BENCH_ACCOUNTS", "1000000"))
LARGE = "portail_large"
RESENDS = 30
PEOPLE = """
INSERT INTO accounts_account (
    hr_id, uid, institutional_address, given_name, family_name, category, employer, ine, phone, language,
    recovery_address, is_staff, is_superuser, password, created_at
)
SELECT 'growth-' || n, 'growth' || n, 'prenom.growth' || n || '@univ-exemple.fr', 'Prénom', 'Growth' || n, 'staff', '',
    '', '', 'fr', 'prenom.growth' || n || '@exemple.net', false, false, '!', now() - n * interval '1 second'
FROM generate_series(%s::int, %s::int) AS n
"""
ENTRIES = """
INSERT INTO journal_journalentry (account_id, event, at, source, device, request_id, details)
SELECT id, 'user_created', created_at, 'command', '', '', '{}' FROM accounts_account WHERE hr_id LIKE 'growth-%'
    AND NOT EXISTS (SELECT FROM journal_journalentry AS entry WHERE entry.account_id = accounts_account.id)
"""
MAILS = """
INSERT INTO outbox_message (
    kind, person_id, address, language, priority, status, created_at, due_at, sent_at, attempts, reference, provider_id,
    answer
)
SELECT 'activation', id, recovery_address, 'fr', 10, 'sent', created_at, created_at, created_at, 1, gen_random_uuid(),
    '', '' FROM accounts_account WHERE hr_id LIKE 'growth-%'
    AND NOT EXISTS (SELECT FROM outbox_message AS mail WHERE mail.person_id = accounts_account.id)
"""


def measure() -> str:
    pages = measured_pages()
    newcomers(RESENDS)
    fill(database_url(), 1, FEW)
    with large_database() as large, portal(processes=1) as few, portal(processes=1, DATABASE_URL=large) as many:
        fill(large, FEW + 1, MANY)
        rounds = [{name: one_round(few, many, visits) for name, visits in pages.items()} for _ in range(ROUNDS)]
        resends = [(time_of_a_resend(database_url()), time_of_a_resend(large)) for _ in range(ROUNDS)]
    lines = [growth(name, [one[name] for one in rounds]) for name in pages]
    return "\n".join([*lines, growth("answering a request for a link", resends)])


def measured_pages() -> dict[str, list[Visit]]:
    """A page of the activation, one's own account, and asking for a link."""
    path, cookies = wizard_pages()["activation-mailbox"]
    account, signed_in = account_page()
    link = Visit([Request(reverse("first-connection"), {"login": "prenom.growth7", "website": ""}, 302)])
    return {
        "page of the activation": visits(path, number=REQUESTS, cookies=cookies),
        "own account": visits(account, number=REQUESTS, cookies=signed_in),
        "asking for a link": [link] * REQUESTS,
    }


def one_round(few: Server, many: Server, asked: list[Visit]) -> tuple[float, float]:
    """Median milliseconds with few accounts and with many."""
    return few.measure(asked, connections=1).p50, many.measure(asked, connections=1).p50


def growth(name: str, rounds: list[tuple[float, float]]) -> str:
    few, many = (median(times) for times in zip(*rounds, strict=True))
    return f"Growth, {name}: {few:.1f} ms with {FEW:,} accounts, {many:.1f} ms with {MANY:,}; ratio {many / few:.2f}"


def time_of_a_resend(database: str) -> float:
    environment = {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = run(
        [sys.executable, "-m", "benchmarks.resend", str(RESENDS)], env=environment, cwd=PROJECT, stdout=PIPE, check=True
    )
    return float(done.stdout)


@contextmanager
def large_database() -> Iterator[str]:
    """The address of a copy of our database, dropped at the end. No other connection may be open while it is made."""
    name = str(connection.settings_dict["NAME"])
    connection.close()
    connection.close_pool()
    elsewhere = database_url().removesuffix(name)
    with psycopg.connect(f"{elsewhere}postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {LARGE} TEMPLATE {name}")
        try:
            yield f"{elsewhere}{LARGE}"
        finally:
            server.execute(f"DROP DATABASE {LARGE} WITH (FORCE)")


def fill(database: str, first: int, last: int) -> None:
    """People with these numbers, recorded by HR and not activated."""
    with psycopg.connect(database, autocommit=True) as there:
        there.execute(PEOPLE, (first, last))
        there.execute(ENTRIES)
        there.execute(MAILS)
        there.execute("VACUUM ANALYZE")
