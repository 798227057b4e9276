"""The HR feed, for the first time and again with one row in a hundred changed, against raw `COPY` of the same file and
against `update_or_create` per row, which make an account alone or less: no check, no name, no journal, no mail.

Environment: `BENCH_ROWS`, rows of a file (50,000); `BENCH_LARGE_ROWS`, of the one whose memory is measured (100,000).
"""

import os
import random
import sys
import tempfile
from io import BytesIO
from itertools import count
from pathlib import Path
from statistics import median
from subprocess import PIPE, run

from django.db import connection

from accounts.models import Account
from benchmarks.bulk_data import BEGINNINGS, ENDS, GIVEN_NAMES
from benchmarks.serving import PROJECT, database_url
from benchmarks.timing import ROUNDS, seconds
from core.email_typos import COMMON_DOMAINS
from hr_feed.columns import COLUMNS
from hr_feed.importer import import_feed

ROWS = int(os.environ.get("BENCH_ROWS", "50000"))
LARGE_ROWS = int(os.environ.get("BENCH_LARGE_ROWS", "100000"))
REFERENCE_ROWS = 500
CHANGED = 0.01

#: The kernel's own note of the largest size (`ru_maxrss` would begin with the size of the parent process).
IMPORT_AND_SAY_HOW_MUCH_MEMORY_IT_TOOK = """
import sys
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[1:], "-v", "0"])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
numbers = count(1)


def measure() -> str:
    rounds = [one_round() for _ in range(ROUNDS)]
    first, again, copied, reference = (ROWS / median(times) for times in zip(*rounds, strict=True))
    return "\n".join(
        [
            (
                f"HR feed, first time: {first:,.0f} rows/s with every check, account, journal and mail; "
                f"update_or_create: {reference:,.0f} rows/s; ratio {first / reference:.1f}"
            ),
            (
                f"HR feed against raw COPY of the same file, nothing checked or indexed: {copied:,.0f} rows/s; "
                f"ratio {first / copied:.2f}"
            ),
            (
                f"HR feed, again with {CHANGED:.0%} changed: {again:,.0f} rows/s; "
                f"{first / again:.2f} of the time of the first"
            ),
            (
                f"HR feed, memory of the process: {memory_of_an_import(ROWS):,.0f} MiB for {ROWS:,} rows, "
                f"{memory_of_an_import(LARGE_ROWS, '--dry-run'):,.0f} MiB for {LARGE_ROWS:,} new people looked through"
            ),
        ]
    )


def one_round() -> tuple[float, float, float, float]:
    """Seconds for a file of `ROWS`: first, again, copied, and what `update_or_create` would take."""
    people = new_people(ROWS)
    return (
        seconds(lambda: imported(people, created=ROWS)),
        seconds(lambda: imported(with_changes(people), updated=int(ROWS * CHANGED))),
        seconds(lambda: copy(people)),
        seconds(update_or_create_people) * ROWS / REFERENCE_ROWS,
    )


def new_people(size: int) -> list[str]:
    """Rows of new people: names as in France, homonyms among them, a dozen mail providers."""
    chance = random.Random(size)
    return [new_person(next(numbers), chance) for _ in range(size)]


def new_person(number: int, chance: random.Random) -> str:
    parts = [one_of(BEGINNINGS, chance) + one_of(ENDS, chance) for _ in range(chance.choice((1, 1, 2)))]
    born = f"{chance.randint(1960, 2005)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    facts = {
        "hr_id": f"B{number}",
        "family_name": "-".join(parts),
        "given_name": one_of(GIVEN_NAMES, chance),
        "birth_date": born,
        "category": chance.choice(("staff", "hosted", "student")),
        "employer": "Université",
        "recovery_address": f"personne.{number}@{chance.choice(COMMON_DOMAINS)}",
        "start_date": "2026-09-01",
        "language": "fr",
        "phone": f"06 {chance.randint(10, 99)} {chance.randint(10, 99)} {chance.randint(10, 99)} 78",
    }
    return ";".join(facts.get(column, "") for column in COLUMNS)


def one_of(names: str, chance: random.Random) -> str:
    return chance.choice(names.split(","))


def with_changes(people: list[str]) -> list[str]:
    """The same people, some of whom have another employer."""
    every = int(1 / CHANGED)
    return [row.replace(";Université;", ";CNRS;") if n % every == 0 else row for n, row in enumerate(people)]


def file_of(people: list[str]) -> bytes:
    return "\n".join([";".join(COLUMNS), *people]).encode()


def imported(people: list[str], *, created: int = 0, updated: int = 0) -> None:
    # Each round makes the same people under other numbers.
    distinct = frozenset(row.partition(";")[0] for row in people)
    report = import_feed(BytesIO(file_of(people)), distinct=distinct)
    assert (report.created, report.updated) == (created, updated), [str(one.reason) for one in report.problems[:3]]


def copy(people: list[str]) -> None:
    """What PostgreSQL needs to take in the bytes."""
    columns = ", ".join(f"{column} text" for column in COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE copied ({columns})")
        with cursor.copy("COPY copied FROM STDIN (FORMAT csv, DELIMITER ';', HEADER)") as sink:
            sink.write(file_of(people))
        cursor.execute("DROP TABLE copied")


def update_or_create_people() -> None:
    for _ in range(REFERENCE_ROWS):
        n = next(numbers)
        facts = {
            "uid": f"u{n}",
            "institutional_address": f"u{n}@univ-exemple.fr",
            "given_name": "Prénom",
            "family_name": f"Nom{n}",
            "category": "staff",
            "recovery_address": f"p{n}@exemple.net",
        }
        Account.objects.update_or_create(hr_id=f"R{n}", defaults=facts)


def memory_of_an_import(size: int, *options: str) -> float:
    """MiB that a process of its own takes at most to import as many new people."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "people.csv"
        file.write_bytes(file_of(new_people(size)))
        command = [
            sys.executable,
            "-c",
            IMPORT_AND_SAY_HOW_MUCH_MEMORY_IT_TOOK,
            "import_staff",
            str(file),
            "--sure",
            *options,
        ]
        environment = {**os.environ, "DATABASE_URL": database_url()}
        done = run(command, stdout=PIPE, text=True, check=True, env=environment, cwd=PROJECT)
    return int(done.stdout.split()[-1]) / 1024
