"""The rows of one chunk in a temporary table, next to the accounts."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter

from django.db import connection

from hr_feed.parsing.rows import Person

STAGED = (
    "line",
    "hr_id",
    "family_name",
    "given_name",
    "birth_date",
    "category",
    "employer",
    "recovery_address",
    "start_date",
    "end_date",
    "language",
    "institutional_address",
    "ine",
    "phone",
)
CREATE = """
CREATE TEMPORARY TABLE hr_feed (
    line integer, hr_id text, family_name text, given_name text, birth_date date, category text, employer text,
    recovery_address text, start_date date, end_date date, language text, institutional_address text, ine text,
    phone text
)
"""
COPY = f"COPY hr_feed ({', '.join(STAGED)}) FROM STDIN"


@contextmanager
def staged(people: Iterable[Person]) -> Iterator[None]:
    """Inside, the table `hr_feed` holds these people. Needs a transaction, which takes the table away if it fails."""
    values = attrgetter(*STAGED)
    with connection.cursor() as cursor:
        cursor.execute(CREATE)
        with cursor.copy(COPY) as copy:
            for person in people:
                copy.write_row(values(person))
        cursor.execute("ANALYZE hr_feed")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE hr_feed")
