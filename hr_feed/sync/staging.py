"""The rows of one chunk in a temporary table, to be joined with the accounts."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connection

from hr_feed.columns import COLUMNS
from hr_feed.parsing.rows import Person


@contextmanager
def staged(people: Iterable[Person]) -> Iterator[None]:
    """Fill the table `hr_feed`, and drop it afterwards. Needs a transaction, whose rollback drops it too."""
    definitions = ", ".join(f"{column.name} {column.sql_type}" for column in COLUMNS.values())
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE hr_feed (line integer, {definitions})")
        with cursor.copy(f"COPY hr_feed (line, {', '.join(COLUMNS)}) FROM STDIN") as copy:
            for person in people:
                copy.write_row((person.line, *person.values.values()))
        cursor.execute("ANALYZE hr_feed")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE hr_feed")
