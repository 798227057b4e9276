"""Connections to PostgreSQL that do not wait for ever (AVL-08).

PostgreSQL itself ends what takes too long. Here ends the wait for a server that says nothing any more: stopped, without
a disk, or behind something that holds the connection open. TCP goes on acknowledging then, so only we can tell.
"""

from collections.abc import Generator
from typing import Any

from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus

from core.request_context import current_request_context

#: Seconds; longer than PostgreSQL lets a statement take, of a page and of an import of the HR file.
LONGEST_SILENCE_OF_A_PAGE = 6.0
LONGEST_SILENCE = 130.0


class TimeoutConnection(Connection[Any]):
    """Gives up, and is of no more use, when the server has not answered in time."""

    def wait(self, gen: Generator[Any, Any, Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """What the server answers. Raises OperationalError when it does not."""
        patience = LONGEST_SILENCE_OF_A_PAGE if current_request_context().source == "web" else LONGEST_SILENCE
        try:
            return super().wait(gen, interval, patience if timeout is None else timeout)
        except OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()
            raise
