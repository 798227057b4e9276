"""What Redis remembers between requests."""

from functools import cache

from django.conf import settings
from redis import Redis


def clear_redis() -> None:
    """Start every counter from nothing, and the queue with it."""
    _redis(settings.REDIS_URL).flushdb()


@cache
def _redis(url: str) -> Redis:
    """One connection for all tests of this process."""
    return Redis.from_url(url)
