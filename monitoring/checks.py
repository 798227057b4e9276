from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import connection
from django.utils import timezone

from accounts.links.signed_link import SignedLink

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


@checks.register
def check_former_keys(**kwargs: Any) -> list[checks.CheckMessage]:
    """Say how long the keys of SECRET_KEY_FALLBACKS are needed, and warn once they can go."""
    if not settings.SECRET_KEY_FALLBACKS:
        return []
    if settings.SECRET_KEY_CHANGED_ON is None:
        hint = "Set SECRET_KEY_CHANGED_ON to the day when SECRET_KEY became what it is, such as 2026-11-30."
        return [checks.Warning("SECRET_KEY_FALLBACKS is set, but not since when.", hint=hint, id="monitoring.W002")]
    last_day = last_day_of_links(settings.SECRET_KEY_CHANGED_ON)
    if timezone.localdate() > last_day:
        return [checks.Warning("No link needs SECRET_KEY_FALLBACKS any more: empty it.", id="monitoring.W003")]
    return [checks.Info(f"Links need SECRET_KEY_FALLBACKS until {last_day}, included.", id="monitoring.I001")]


def last_day_of_links(made_on: date) -> date:
    """The last day on which a link that was made on this one is valid; every session ends before."""
    midnight = datetime.combine(made_on, time.max, tzinfo=timezone.get_default_timezone())
    return max(timezone.localdate(link().deadline(midnight)) for link in SignedLink.__subclasses__())
