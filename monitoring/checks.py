from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connection

WITHOUT_LIMIT = """
SELECT name FROM pg_settings WHERE setting = '0' AND name IN (
    'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'
) ORDER BY name
"""


@checks.register(checks.Tags.database)
def check_time_limits(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[checks.Warning]:
    """Warn of connections on which a slow statement or a forgotten lock lasts for ever."""
    if not databases:
        return []
    with connection.cursor() as cursor:
        cursor.execute(WITHOUT_LIMIT)
        names = [name for (name,) in cursor.fetchall()]
    return [
        checks.Warning(
            f"PostgreSQL sets no {name} for the portal's role.",
            hint="Behind PgBouncer, give the role the limits of deploy/roles.sh.",
            id="monitoring.W001",
        )
        for name in names
    ]
