"""Signs of life of worker and beat: in Redis for the metrics, in a file for the health check of the container."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path

from redis.exceptions import RedisError

from monitoring.redis_server import redis_client

#: `beat`: sends tasks. `worker`: one of them listens. `task`: what beat sends is run.
HEARTBEATS = ("beat", "worker", "task")
KEY = "portal:heartbeats"
#: Celery's workers give a sign every two seconds.
SECONDS_BETWEEN = 15.0

_last: dict[str, float] = {}


def record_heartbeat(of: str) -> None:
    """At most every 15 seconds. Without Redis the file only: the process is alive."""
    now = time.time()
    if now - _last.get(of, 0.0) < SECONDS_BETWEEN:
        return
    _last[of] = now
    with suppress(OSError):
        heartbeat_file(of).touch()
    with suppress(RedisError, OSError), redis_client() as redis:
        redis.hset(KEY, of, now)


def heartbeat_file(of: str) -> Path:
    """Also in deploy/health.py, which imports nothing of the portal."""
    return Path(tempfile.gettempdir()) / f"portal-{of}.heartbeat"


def heartbeat_ages() -> dict[str, float]:
    """In seconds; infinite where none is known, as after a restart of Redis. Raises RedisError."""
    with redis_client() as redis:
        found = redis.hgetall(KEY)
    now = time.time()
    return {of: max(0.0, now - float(found[of])) if of in found else float("inf") for of in HEARTBEATS}
