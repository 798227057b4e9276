"""Requests and refusals of the connection pool, counted in each process and added up in Redis.

A process adds its counts every five seconds; one that is killed loses the last ones. After a restart of Redis counting
begins anew, which Prometheus expects of a counter.
"""

import time
from collections import Counter
from collections.abc import Callable
from threading import Lock

from django.db import connection
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from monitoring.redis_server import redis_client

STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
SLOW, POOL = "slow", "pool"
SLOW_SECONDS = 2.0
SECONDS_BETWEEN = 5.0
KEY = "portal:requests"


class RequestCountMiddleware:
    """Health checks and scrapes are not counted: at night there are more of them than people."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.monotonic()
        response = self.get_response(request)
        if not request.path.startswith("/sante/"):
            counts.add(f"{response.status_code // 100}xx", is_slow=time.monotonic() - began > SLOW_SECONDS)
        counts.publish_when_due()
        return response


class RequestCounts:
    """The counts of this process that are not in Redis yet."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers: Counter[str] = Counter()
        self._due_at = 0.0

    def add(self, status: str, *, is_slow: bool) -> None:
        with self._lock:
            self._numbers.update([status, SLOW] if is_slow else [status])

    def publish_when_due(self) -> None:
        """What Redis does not take now is tried again with the next counts."""
        with self._lock:
            if time.monotonic() < self._due_at:
                return
            self._due_at = time.monotonic() + SECONDS_BETWEEN
            numbers, self._numbers = self._numbers, Counter()
        numbers[POOL] += refused_by_the_pool()
        try:
            _publish(numbers)
        except (RedisError, OSError):
            with self._lock:
                self._numbers.update(numbers)


counts = RequestCounts()


def refused_by_the_pool() -> int:
    """Requests of this process that got no connection since the last call."""
    pool = getattr(connection, "pool", None)
    return pool.pop_stats().get("requests_errors", 0) if pool else 0


def request_counts() -> dict[str, int]:
    """Of all processes. Raises RedisError."""
    with redis_client() as redis:
        found = redis.hgetall(KEY)
    return {name: int(found.get(name, 0)) for name in (*STATUSES, SLOW, POOL)}


def _publish(numbers: Counter[str]) -> None:
    with redis_client() as redis, redis.pipeline() as pipeline:
        for name, number in numbers.items():
            if number:
                pipeline.hincrby(KEY, name, number)
        pipeline.execute()
