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
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour, parse_many
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
#: A browser from which an account has signed in (`accounts.auth.known_browser`).
KNOWN = "known "

#: Counts refusals for the metrics; never reached, reset every day.
REFUSALS = RateLimitItemPerDay(10**12)
REFUSED = "refused"
#: Counts failures that get no journal entry; never reached, reset every hour.
FAILURES = RateLimitItemPerHour(10**12)
FAILED = "failed"

#: One subscriber may have a whole IPv6 /56 or /48: they are counted too, up to so many times the rate of a client.
WIDER_NETWORKS = {56: 3, 48: 10}


Key = tuple[str, ...]


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
        """Count one; False beyond the limit. What one client sends beyond its own limit is not counted against its
        neighbours in a wider network.
        """
        return all(self._count(items, counted) for counted, items in self._counters(*key))

    def check(self, *key: str) -> None:
        """Raises RateLimitExceeded when the limit has been reached; counts nothing."""
        if self.is_reached(*key):
            raise self._exceeded(*key)

    def is_reached(self, *key: str) -> bool:
        counters = self._counters(*key)
        return not all(_call("test", item, self.name, *counted) for counted, items in counters for item in items)

    def reset(self, *key: str) -> None:
        for counted, items in self._counters(*key):
            for item in items:
                _call("clear", item, self.name, *counted)

    def _count(self, items: list[RateLimitItem], key: Key) -> bool:
        allowed = [_call("hit", item, self.name, *key) for item in items]
        return all(allowed)

    def _counters(self, *key: str) -> list[tuple[Key, list[RateLimitItem]]]:
        """The key with its rates, then those of the networks around the client that it ends with."""
        client = key[-1] if key else ""
        rates = parse_many(self.campus_rate if client.startswith(CAMPUS) and self.campus_rate else self.rate)
        wider = [
            ((*key[:-1], network), [type(rate)(rate.amount * times, rate.multiples) for rate in rates])
            for network, times in _wider_networks(client)
        ]
        return [(key, rates), *wider]

    def _exceeded(self, *key: str) -> RateLimitExceeded:
        log_security_event("excess_rate_limit_exceeded", outcome="failure", limit=self.name)
        _call("hit", REFUSALS, REFUSED, self.name)
        counters = self._counters(*key)
        windows = [_call("get_window_stats", item, self.name, *at) for at, items in counters for item in items]
        # None when the last window has just ended.
        until = max((window.reset_time for window in windows if window.remaining == 0), default=0)
        return RateLimitExceeded(max(1, int(until - time.time()) + 1))


@dataclass(frozen=True, slots=True)
class PublicLimit:
    """For what anyone may ask: a limit for each client, and one for all, which slows down those only who cause it.

    Beyond the limit for all, a client that has asked more than a few times, or whose network has, is refused. Clients
    of a campus, and browsers from which an account has signed in, are counted apart.
    """

    per_client: RateLimit
    in_all: RateLimit

    def hit(self) -> None:
        """Count one request of the current client. Raises RateLimitExceeded."""
        client = _known_browser() or current_client()
        self.per_client.hit(client)
        asked_little = FEW_REQUESTS_PER_CLIENT.count(self.in_all.name, client)
        kind, _space, _address = client.rpartition(" ")
        if not self.in_all.count(kind) and not asked_little:
            raise self.in_all._exceeded(kind)


LINK_REQUESTS_PER_CLIENT = RateLimit("link-requests", "60/hour", campus_rate="2000/hour")
LINK_REQUESTS_IN_ALL = RateLimit("link-requests-in-all", "5000/hour")
LINK_REQUESTS = PublicLimit(LINK_REQUESTS_PER_CLIENT, LINK_REQUESTS_IN_ALL)
ASSISTANCE_REQUESTS_PER_CLIENT = RateLimit("assistance-requests", "10/hour", campus_rate="300/hour")
ASSISTANCE_REQUESTS_IN_ALL = RateLimit("assistance-requests-in-all", "2000/hour")
ASSISTANCE_REQUESTS = PublicLimit(ASSISTANCE_REQUESTS_PER_CLIENT, ASSISTANCE_REQUESTS_IN_ALL)
DIRECTORY_SEARCHES_PER_CLIENT = RateLimit("directory-searches", "100/hour", campus_rate="2000/hour")
#: Copying the whole directory from many addresses takes days.
DIRECTORY_SEARCHES_IN_ALL = RateLimit("directory-searches-in-all", "20000/hour")
DIRECTORY_SEARCHES = PublicLimit(DIRECTORY_SEARCHES_PER_CLIENT, DIRECTORY_SEARCHES_IN_ALL)
#: Beyond a limit for all, clients within this one go on.
FEW_REQUESTS_PER_CLIENT = RateLimit("few-requests", "3/hour", campus_rate="300/hour")
BAD_LINKS_PER_CLIENT = RateLimit("bad-links", "30/minute", campus_rate="300/minute")
SECURITY_CALLS_PER_SYSTEM = RateLimit("security-calls", "120/minute")
BAD_SECURITY_KEYS_PER_CLIENT = RateLimit("bad-security-keys", "10/minute")
#: There is no global limit: reaching it would lock out every user.
FAILED_SIGN_INS_PER_CLIENT = RateLimit("failed-sign-ins", "100/15minute", campus_rate="1000/15minute")
#: Beyond it: others share the address, and their right password goes through between the failures.
SLOW_SIGN_INS_PER_CLIENT = RateLimit("slow-sign-ins", "10/minute", campus_rate="60/minute")
#: Delays of two minutes, a quarter of an hour, an hour, a day. On a campus the owner may share the attacker's address:
#: one minute at most.
FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT = RateLimit(
    "failed-sign-ins-of-login", "5/2minute;8/15minute;12/hour;20/day", campus_rate="10/minute"
)
#: From all clients; beyond it, clients that the account has not used lately are throttled.
FAILED_SIGN_INS_PER_LOGIN = RateLimit("failed-sign-ins-of-login-in-all", "100/day")
#: For each client apart: an attacker uses up no attempt of the owner's.
UNKNOWN_CLIENT_SIGN_INS_PER_LOGIN = RateLimit("slow-sign-ins-of-login", "3/day", campus_rate="3/3minute")
#: Entries of failures; beyond them, their number.
JOURNALED_FAILURES_PER_CLIENT = RateLimit("journaled-failures", "200/hour", campus_rate="2000/hour")
JOURNALED_FAILURES_PER_LOGIN = RateLimit("journaled-failures-of-login", "20/hour")
#: Codes for enrolling an agent's application; the application's own codes are throttled in the database.
ENROLMENT_CODES_PER_ACCOUNT = RateLimit("enrolment-codes", "5/15minute;20/day")


def failures_within_the_hour(login: str) -> int:
    """Count one more; how many they are now."""
    _call("hit", FAILURES, FAILED, login)
    return int(FAILURES.amount - _call("get_window_stats", FAILURES, FAILED, login).remaining)


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


def _known_browser() -> str:
    """Named after the account that signed in last, so that one account is one client in all its browsers."""
    known_to = current_request_context().known_to
    return f"{KNOWN}{known_to[0]}" if known_to else ""


def _wider_networks(client: str) -> list[tuple[str, int]]:
    """The networks around an IPv6 client, and how many times its rate they have. A campus is one network anyway."""
    try:
        network = ipaddress.IPv6Network(client)
    except ValueError:
        return []
    return [(str(network.supernet(new_prefix=length)), times) for length, times in WIDER_NETWORKS.items()]


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
