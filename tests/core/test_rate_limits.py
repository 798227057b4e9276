"""How often a client may ask, and from where."""

import pytest
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter

from core import rate_limits as limits
from core.rate_limits import RateLimit, RateLimitExceeded, client_key

HOME, CAMPUS = "198.51.100.7", "203.0.113.9"


@pytest.fixture(autouse=True)
def one_campus(settings) -> None:
    settings.CAMPUS_NETWORKS = ["203.0.113.0/28"]


def is_allowed(limit: RateLimit, address: str) -> bool:
    try:
        limit.hit(client_key(address))
    except RateLimitExceeded as reached:
        return not 0 < reached.retry_after <= 3601
    return True


def times_allowed(limit: RateLimit, address: str) -> int:
    return sum(is_allowed(limit, address) for _ in range(20))


def test_a_campus_behind_one_address_may_ask_more_often_but_not_without_end(settings):
    """ENU-06: only where the limit says so; a client of a campus is a household, by /64, as elsewhere."""
    limit = RateLimit("of-a-campus", "3/hour", campus_rate="9/hour")
    assert [times_allowed(limit, address) for address in (HOME, CAMPUS, "203.0.113.10")] == [3, 9, 9]
    for address in (CAMPUS, HOME):
        assert times_allowed(RateLimit("for-all", "3/hour"), address) == 3
    settings.CAMPUS_NETWORKS = ["2001:db8:1::/48"]
    assert client_key("2001:db8:1::1") == client_key("2001:db8:1::ffff") == "campus 2001:db8:1::/64"
    assert client_key("2001:db8:1:1::1") != client_key("2001:db8:1::1")


def test_a_typed_text_makes_no_campus_of_a_client():
    """ENU-06: only the last part of a key is the client's, and the portal made it."""
    limit = RateLimit("of-a-login", "2/hour", campus_rate="9/hour")
    for _ in range(2):
        limit.hit("campus 203.0.113.9", client_key(HOME))
    with pytest.raises(RateLimitExceeded):
        limit.hit("campus 203.0.113.9", client_key(HOME))


def test_several_rates_of_one_limit_count_together_and_the_longest_wait_is_given():
    """ENU-07"""
    limit = RateLimit("of-two-rates", "2/minute;3/hour")
    assert [is_allowed(limit, HOME) for _ in range(3)] == [True, True, False]
    with pytest.raises(RateLimitExceeded) as reached:
        limit.check(client_key(HOME))
    assert reached.value.retry_after > 60


def test_a_window_that_ends_between_two_questions_is_no_error(monkeypatch):
    """AVL-01: full at the first question, empty at the question for how long."""
    limit = RateLimit("just-ended", "1/minute")
    limit.hit(client_key(HOME))
    real = limits._call

    def end_first(question: str, item: object, *key: object) -> object:
        if question == "get_window_stats":
            real("clear", item, *key)
        return real(question, item, *key)

    monkeypatch.setattr(limits, "_call", end_first)
    with pytest.raises(RateLimitExceeded) as reached:
        limit.hit(client_key(HOME))
    assert reached.value.retry_after == 1


def test_without_redis_each_process_counts_and_asks_redis_once_in_a_while(monkeypatch):
    """AVL-01: a failed sign-in asks a dozen times, and a Redis that hangs costs half a second each time."""
    away = FixedWindowRateLimiter(RedisStorage("redis://127.0.0.1:1/0", socket_connect_timeout=0.5))
    here, asked = FixedWindowRateLimiter(MemoryStorage()), []
    monkeypatch.setattr(limits, "_redis", lambda: asked.append(1) or away)
    monkeypatch.setattr(limits, "_local", lambda: here)
    monkeypatch.setattr(limits._Redis, "unavailable_until", 0.0)
    assert times_allowed(RateLimit("here-only", "3/hour"), HOME) == 3
    RateLimit("asked-often", "9/minute;99/hour;999/day").check(client_key(HOME))
    assert len(asked) == 1
    monkeypatch.setattr(limits._Redis, "unavailable_until", 0.0)
    RateLimit("asked-again", "9/minute").hit(client_key(HOME))
    assert len(asked) == 2
