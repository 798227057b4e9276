"""Exception of the append-only triggers, for retention and erasure."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

ENABLE = "SET LOCAL portal.retention = 'on'"
DISABLE = "SET LOCAL portal.retention = 'off'"


@contextmanager
def allow_retention() -> Iterator[None]:
    """Inside, rows may be deleted and journal entries be emptied. Needs a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(ENABLE)
    yield
    # Not after an exception: the setting ends with the transaction.
    with connection.cursor() as cursor:
        cursor.execute(DISABLE)
