"""The Redis database of this test process."""

from functools import cache

from django.conf import settings
from redis import Redis


def clear_redis() -> None:
    """Reset rate limits and the task queue."""
    _redis(settings.REDIS_URL).flushdb()


@cache
def _redis(url: str) -> Redis:
    return Redis.from_url(url)
