from django.db import DatabaseError, InterfaceError, OperationalError
from psycopg.errors import ReadOnlySqlTransaction


def is_outage(error: BaseException | None) -> bool:
    """Whether PostgreSQL is away, overloaded, or, after a failover, a server that takes no writes."""
    is_read_only = isinstance(error, DatabaseError) and isinstance(error.__cause__, ReadOnlySqlTransaction)
    return is_read_only or isinstance(error, OperationalError | InterfaceError)
