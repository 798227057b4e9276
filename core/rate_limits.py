"""How often things may be asked for. Every limit of the portal is named here and used by its name (ENU-05 to ENU-07).

Counters live in Redis; while it is away each web process counts for itself, so that nothing is unlimited. Mails are
limited besides by what the outbox holds, which needs no Redis.
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

# Mails to one person or one destination, for one purpose (ENU-05); counted in the outbox.
MAILS_PER_HOUR = 3
MAIL_WINDOW = timedelta(hours=1)
SHORTEST_TIME_BETWEEN_MAILS = timedelta(minutes=1)
#: To addresses that one person names within the hour: enough for some slips, too few to bother strangers.
MAILS_OF_A_PERSON_PER_HOUR = 6
#: Acknowledgements to one mailbox, of requests that anybody may make (HLP-08); counted in the requests.
ACKNOWLEDGEMENTS_PER_DAY = 2
ACKNOWLEDGEMENT_WINDOW = timedelta(days=1)

#: Seconds after Redis has not answered.
REDIS_BACKOFF_SECONDS = 2.0

CAMPUS = "campus "

#: Never reached: how often each limit was, since a day ago at most, for those who watch (LOG-04).
REFUSALS = RateLimitItemPerDay(10**12)
REFUSED = "refused"


class RateLimitExceeded(Exception):
    """Too often; `retry_after` is how many seconds to wait."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A rate such as "60/hour" for one thing, counted apart for each key given to it; several, "5/minute;20/hour", make
    a wait that grows."""

    name: str
    rate: str
    #: For a client that is a whole campus behind one address; raised, never without end (ENU-06).
    campus_rate: str = ""

    def hit(self, *key: str) -> None:
        """Count one more; raises LimitReached when it is one too many."""
        if not self.count(*key):
            raise self._reached(*key)

    def count(self, *key: str) -> bool:
        """Count one more of what has happened anyway; False when it was one too many."""
        allowed = [_ask("hit", item, self.name, *key) for item in self._items(*key)]
        return all(allowed)

    def check(self, *key: str) -> None:
        """Raise LimitReached when the limit has been reached, without counting."""
        if not all(_ask("test", item, self.name, *key) for item in self._items(*key)):
            raise self._reached(*key)

    def forget(self, *key: str) -> None:
        """Start counting again from nothing."""
        for item in self._items(*key):
            _ask("clear", item, self.name, *key)

    def _items(self, *key: str) -> list[RateLimitItem]:
        is_campus = bool(key) and key[-1].startswith(CAMPUS)
        return parse_many(self.campus_rate if is_campus and self.campus_rate else self.rate)

    def _reached(self, *key: str) -> RateLimitExceeded:
        log_security_event("excess_rate_limit_exceeded", outcome="failure", limit=self.name)
        _ask("hit", REFUSALS, REFUSED, self.name)
        windows = [_ask("get_window_stats", item, self.name, *key) for item in self._items(*key)]
        # None is full any more when the last one has just ended.
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
#: A copy of the whole directory, gathered from many places, takes days; and the database has time for the others.
DIRECTORY_SEARCHES_IN_ALL = RateLimit("directory-searches-in-all", "20000/hour")
#: None in all: whoever reached it would keep everybody from signing in.
FAILED_SIGN_INS_PER_CLIENT = RateLimit("failed-sign-ins", "100/15minute", campus_rate="1000/15minute")
#: Five tries, then two minutes, a quarter of an hour, an hour, a day: the wait grows (ENU-07). Behind the address of a
#: campus the owner may stand next to who guesses: a minute at most.
FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT = RateLimit(
    "failed-sign-ins-of-login", "5/2minute;8/15minute;12/hour;20/day", campus_rate="10/minute"
)
#: From everywhere together; beyond it, clients that the person has not used lately share a slow lane.
FAILED_SIGN_INS_PER_LOGIN = RateLimit("failed-sign-ins-of-login-in-all", "100/day")
SLOW_SIGN_INS_PER_LOGIN = RateLimit("slow-sign-ins-of-login", "1/minute")
#: Codes that allow an agent's application. The codes of the application itself wait in the database (ADM-04).
ENROLMENT_CODES_PER_ACCOUNT = RateLimit("enrolment-codes", "5/15minute;20/day")


def refusal_counts() -> dict[str, int]:
    """How often each limit has refused somebody; each count begins again after a day."""
    windows = {limit.name: _ask("get_window_stats", REFUSALS, REFUSED, limit.name) for limit in all_limits()}
    return {name: REFUSALS.amount - window.remaining for name, window in windows.items()}


def all_limits() -> list[RateLimit]:
    """Every limit of this module."""
    return [thing for thing in globals().values() if isinstance(thing, RateLimit)]


def client_key(address: str | None) -> str:
    """What counts as one client: an IPv4 address, or an IPv6 /64, which one household has whole (ENU-06).

    A client on a campus is marked, so that limits know the crowd behind it.
    """
    if address is None:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    client = str(ipaddress.ip_network((address, 64), strict=False)) if parsed.version == 6 else str(parsed)
    return f"{CAMPUS}{client}" if is_on_campus(address) else client


def current_client() -> str:
    """The key under which whoever is asking now is counted."""
    return client_key(current_request_context().client_address)


@cache
def _shared() -> FixedWindowRateLimiter:
    waits: dict[str, Any] = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
    return FixedWindowRateLimiter(RedisStorage(settings.REDIS_URL, **waits))


@cache
def _in_this_process() -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(MemoryStorage())


_one_at_a_time = Lock()


class _Redis:
    """Whether to ask Redis, or to let it rest: a request asks a dozen times, and shall not wait as often (AVL-01)."""

    left_alone_until = 0.0


def _ask(question: str, *args: object) -> Any:
    if time.monotonic() < _Redis.left_alone_until:
        return _ask_this_process(question, *args)
    try:
        return getattr(_shared(), question)(*args)
    except (RedisError, StorageError, OSError) as error:
        _Redis.left_alone_until = time.monotonic() + REDIS_BACKOFF_SECONDS
        logger.warning("Limits are counted in this process: %s", type(error).__name__)
        return _ask_this_process(question, *args)


def _ask_this_process(question: str, *args: object) -> Any:
    """One thread at a time: the library forgets what one has counted while another looks."""
    with _one_at_a_time:
        return getattr(_in_this_process(), question)(*args)
