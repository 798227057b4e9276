"""How often a client may ask, and from where."""

import time

import pytest
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter

from core import rate_limits as limits
from core.rate_limits import RateLimit, RateLimitExceeded, client_key

HOME, CAMPUS = "198.51.100.7", "203.0.113.9"


def times_allowed(limit: RateLimit, *key: str) -> int:
    return sum(limit.count(*key) for _ in range(20))


def test_a_campus_behind_one_address_may_ask_more_often_but_not_without_end(settings):
    """ENU-06: only where the limit says so; a client of a campus is a household, by /64, as elsewhere."""
    settings.CAMPUS_NETWORKS = ["203.0.113.0/28"]
    limit, home, campus = RateLimit("of-a-campus", "3/hour", campus_rate="9/hour"), client_key(HOME), client_key(CAMPUS)
    assert [times_allowed(limit, key) for key in (home, campus, client_key("203.0.113.10"))] == [3, 9, 9]
    assert [times_allowed(RateLimit("for-all", "3/hour"), key) for key in (campus, home)] == [3, 3]
    assert times_allowed(limit, campus, home) == 3, "only the last part of a key is the client's, and is not typed"
    with pytest.raises(RateLimitExceeded) as reached:
        limit.hit(home)
    assert 0 < reached.value.retry_after <= 3601
    settings.CAMPUS_NETWORKS = ["2001:db8:1::/48"]
    assert client_key("2001:db8:1::1") == client_key("2001:db8:1::ffff") == "campus 2001:db8:1::/64"
    assert client_key("2001:db8:1:1::1") != client_key("2001:db8:1::1")


def test_several_rates_of_one_limit_count_together_and_the_longest_wait_is_given():
    """ENU-07"""
    limit = RateLimit("of-two-rates", "2/minute;3/hour")
    assert [limit.count(client_key(HOME)) for _ in range(3)] == [True, True, False]
    with pytest.raises(RateLimitExceeded) as reached:
        limit.check(client_key(HOME))
    assert reached.value.retry_after > 60
    assert limit._exceeded("a window that has just ended").retry_after == 1


def test_without_redis_each_process_counts_and_asks_redis_once_in_a_while(monkeypatch):
    """AVL-01: a failed sign-in asks a dozen times, and a Redis that hangs costs half a second each time."""
    away = FixedWindowRateLimiter(RedisStorage("redis://127.0.0.1:1/0", socket_connect_timeout=0.5))
    here, asked = FixedWindowRateLimiter(MemoryStorage()), []
    monkeypatch.setattr(limits, "_redis", lambda: asked.append(1) or away)
    monkeypatch.setattr(limits, "_local", lambda: here)
    monkeypatch.setattr(limits._Redis, "unavailable_until", 0.0)
    monkeypatch.setattr(limits, "REDIS_BACKOFF_SECONDS", 0.3)
    assert times_allowed(RateLimit("here-only", "3/hour"), HOME) == 3
    RateLimit("asked-often", "9/minute;99/hour;999/day").check(client_key(HOME))
    assert len(asked) == 1
    time.sleep(0.3)
    RateLimit("asked-again", "9/minute").hit(client_key(HOME))
    assert len(asked) == 2
