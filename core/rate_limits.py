"""Every rate limit of the portal.

Counters are in Redis; while it is unreachable each process counts for itself. Mails are also limited by counting the
rows of the outbox.
"""

import ipaddress
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from threading import Lock
from typing import Any

from django.conf import settings
from limits import RateLimitItem, RateLimitItemPerDay, parse_many
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis.exceptions import RedisError

from core.client_ip import is_on_campus
from core.request_context import current_request_context
from core.security_log import log_security_event

logger = logging.getLogger(__name__)

# Mails to one person or one destination, for one purpose; counted in the outbox.
MAILS_PER_HOUR = 3
MAIL_WINDOW = timedelta(hours=1)
SHORTEST_TIME_BETWEEN_MAILS = timedelta(minutes=1)
#: Mails to addresses that one person enters: enough for typing errors, too few to spam others.
MAILS_OF_A_PERSON_PER_HOUR = 6
#: Acknowledgements to one mailbox of requests that need no sign-in; counted in the requests.
ACKNOWLEDGEMENTS_PER_DAY = 2
ACKNOWLEDGEMENT_WINDOW = timedelta(days=1)

#: Seconds without a try after Redis has failed.
REDIS_BACKOFF_SECONDS = 2.0

CAMPUS = "campus "

#: Counts refusals for the metrics; never reached, reset every day.
REFUSALS = RateLimitItemPerDay(10**12)
REFUSED = "refused"


class RateLimitExceeded(Exception):
    """`retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A rate such as "60/hour", counted for each key; several, "5/minute;20/hour", make a growing delay."""

    name: str
    rate: str
    #: For clients in CAMPUS_NETWORKS, where many users share an address.
    campus_rate: str = ""

    def hit(self, *key: str) -> None:
        """Count one. Raises RateLimitExceeded beyond the limit."""
        if not self.count(*key):
            raise self._exceeded(*key)

    def count(self, *key: str) -> bool:
        """Count one; False beyond the limit."""
        allowed = [_call("hit", item, self.name, *key) for item in self._items(*key)]
        return all(allowed)

    def check(self, *key: str) -> None:
        """Raises RateLimitExceeded when the limit has been reached; counts nothing."""
        if not all(_call("test", item, self.name, *key) for item in self._items(*key)):
            raise self._exceeded(*key)

    def reset(self, *key: str) -> None:
        for item in self._items(*key):
            _call("clear", item, self.name, *key)

    def _items(self, *key: str) -> list[RateLimitItem]:
        is_campus = bool(key) and key[-1].startswith(CAMPUS)
        return parse_many(self.campus_rate if is_campus and self.campus_rate else self.rate)

    def _exceeded(self, *key: str) -> RateLimitExceeded:
        log_security_event("excess_rate_limit_exceeded", outcome="failure", limit=self.name)
        _call("hit", REFUSALS, REFUSED, self.name)
        windows = [_call("get_window_stats", item, self.name, *key) for item in self._items(*key)]
        # None when the last window has just ended.
        until = max((window.reset_time for window in windows if window.remaining == 0), default=0)
        return RateLimitExceeded(max(1, int(until - time.time()) + 1))


LINK_REQUESTS_PER_CLIENT = RateLimit("link-requests", "60/hour", campus_rate="2000/hour")
LINK_REQUESTS_IN_ALL = RateLimit("link-requests-in-all", "5000/hour")
BAD_LINKS_PER_CLIENT = RateLimit("bad-links", "30/minute", campus_rate="300/minute")
ASSISTANCE_REQUESTS_PER_CLIENT = RateLimit("assistance-requests", "10/hour", campus_rate="300/hour")
ASSISTANCE_REQUESTS_IN_ALL = RateLimit("assistance-requests-in-all", "2000/hour")
SECURITY_CALLS_PER_SYSTEM = RateLimit("security-calls", "120/minute")
BAD_SECURITY_KEYS_PER_CLIENT = RateLimit("bad-security-keys", "10/minute")
DIRECTORY_SEARCHES_PER_CLIENT = RateLimit("directory-searches", "100/hour", campus_rate="2000/hour")
#: Copying the whole directory from many addresses takes days.
DIRECTORY_SEARCHES_IN_ALL = RateLimit("directory-searches-in-all", "20000/hour")
#: There is no global limit: reaching it would lock out every user.
FAILED_SIGN_INS_PER_CLIENT = RateLimit("failed-sign-ins", "100/15minute", campus_rate="1000/15minute")
#: Delays of two minutes, a quarter of an hour, an hour, a day. On a campus the owner may share the attacker's address:
#: one minute at most.
FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT = RateLimit(
    "failed-sign-ins-of-login", "5/2minute;8/15minute;12/hour;20/day", campus_rate="10/minute"
)
#: From all clients; beyond it, clients that the account has not used lately are throttled.
FAILED_SIGN_INS_PER_LOGIN = RateLimit("failed-sign-ins-of-login-in-all", "100/day")
UNKNOWN_CLIENT_SIGN_INS_PER_LOGIN = RateLimit("slow-sign-ins-of-login", "1/minute")
#: Codes for enrolling an agent's application; the application's own codes are throttled in the database.
ENROLMENT_CODES_PER_ACCOUNT = RateLimit("enrolment-codes", "5/15minute;20/day")


def refusal_counts() -> dict[str, int]:
    """Refusals of each limit, reset every day."""
    windows = {limit.name: _call("get_window_stats", REFUSALS, REFUSED, limit.name) for limit in all_limits()}
    return {name: REFUSALS.amount - window.remaining for name, window in windows.items()}


def all_limits() -> list[RateLimit]:
    return [value for value in globals().values() if isinstance(value, RateLimit)]


def client_key(address: str | None) -> str:
    """One client: an IPv4 address, or an IPv6 /64, which one household has as a whole.

    Clients on a campus are marked, for `campus_rate`.
    """
    if address is None:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    client = str(ipaddress.ip_network((address, 64), strict=False)) if parsed.version == 6 else str(parsed)
    return f"{CAMPUS}{client}" if is_on_campus(address) else client


def current_client() -> str:
    return client_key(current_request_context().client_address)


@cache
def _redis() -> FixedWindowRateLimiter:
    waits: dict[str, Any] = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
    return FixedWindowRateLimiter(RedisStorage(settings.REDIS_URL, **waits))


@cache
def _local() -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(MemoryStorage())


_memory_lock = Lock()


class _Redis:
    """A request asks a dozen times; it waits for an unreachable Redis once."""

    unavailable_until = 0.0


def _call(method: str, *args: object) -> Any:
    if time.monotonic() < _Redis.unavailable_until:
        return _call_local(method, *args)
    try:
        return getattr(_redis(), method)(*args)
    except (RedisError, StorageError, OSError) as error:
        _Redis.unavailable_until = time.monotonic() + REDIS_BACKOFF_SECONDS
        logger.warning("Limits are counted in this process: %s", type(error).__name__)
        return _call_local(method, *args)


def _call_local(method: str, *args: object) -> Any:
    """One thread at a time: MemoryStorage loses counts under concurrent access."""
    with _memory_lock:
        return getattr(_local(), method)(*args)
