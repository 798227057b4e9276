"""PostgreSQL connections with a client-side timeout.

statement_timeout ends slow statements. This ends the wait for a server that is stopped, has no disk, or is behind a
proxy that keeps the connection open: TCP keeps acknowledging, so no other timeout applies.
"""

from collections.abc import Generator
from typing import Any

from psycopg import Connection, OperationalError
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus

from core.request_context import current_request_context

#: Seconds; above statement_timeout, of pages and of an HR import.
WEB_TIMEOUT = 6.0
TIMEOUT = 130.0


class TimeoutConnection(Connection[Any]):
    """Closes itself when the server has not answered in time, or takes no writes."""

    def wait(self, gen: Generator[Any, Any, Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        limit = WEB_TIMEOUT if current_request_context().source == "web" else TIMEOUT
        try:
            return super().wait(gen, interval, limit if timeout is None else timeout)
        except OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()
            raise
        except ReadOnlySqlTransaction:
            # A standby, or a primary that a failover has replaced: the pool connects anew.
            self.close()
            raise
