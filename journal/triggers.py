"""The door in the triggers of the append-only tables, for retention and erasure alone (LOG-03, PRV-05)."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

OPEN = "SET LOCAL portal.retention = 'on'"
CLOSE = "SET LOCAL portal.retention = 'off'"


@contextmanager
def allow_retention() -> Iterator[None]:
    """Inside, whole rows may be deleted and entries of the journal be emptied. Needs a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN)
    yield
    # Not when something failed: the transaction ends, and the door with it.
    with connection.cursor() as cursor:
        cursor.execute(CLOSE)
