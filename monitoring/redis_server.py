"""Redis, as the health checks and the metrics see it."""

from django.conf import settings
from redis import Redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

ANSWERS_WITHIN = 0.5
WRITTEN_AS_A_TRIAL = "portal:trial"


def redis_client() -> Redis:
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=ANSWERS_WITHIN,
        socket_timeout=ANSWERS_WITHIN,
        decode_responses=True,
    )


def redis_answers() -> bool:
    """Whether Redis answers within half a second."""
    try:
        with redis_client() as redis:
            redis.ping()
    except (RedisError, OSError):
        return False
    return True


def redis_trouble() -> str:
    """Empty when Redis answers and takes writes: a full one takes no task, so that no mail leaves."""
    try:
        with redis_client() as redis:
            redis.set(WRITTEN_AS_A_TRIAL, 1, ex=60)
    except OutOfMemoryError:
        return "Redis plein"
    except ReadOnlyError:
        return "Redis en lecture seule"
    except ResponseError:
        return "Redis refuse les écritures"
    except (RedisError, OSError):
        return "sans Redis"
    return ""
