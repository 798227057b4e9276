"""How often things may be asked for, and from where."""

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


def test_a_campus_behind_one_address_may_ask_more_often_but_not_without_end():
    """ENU-06"""
    limit = RateLimit("of-a-campus", "3/hour", campus_rate="9/hour")

    assert times_allowed(limit, HOME) == 3
    assert times_allowed(limit, CAMPUS) == 9
    assert times_allowed(limit, "203.0.113.10") == 9


def test_a_client_of_a_campus_is_a_household_too(settings):
    """ENU-06: or each of its addresses would have a limit of its own, and one network card has as many as it likes."""
    settings.CAMPUS_NETWORKS = ["2001:db8:1::/48"]

    assert client_key("2001:db8:1::1") == client_key("2001:db8:1::ffff") == "campus 2001:db8:1::/64"
    assert client_key("2001:db8:1:1::1") != client_key("2001:db8:1::1")


def test_a_limit_that_names_no_campus_is_the_same_for_everybody():
    """ENU-06, ENU-07"""
    limit = RateLimit("for-everybody", "3/hour")

    assert times_allowed(limit, CAMPUS) == times_allowed(limit, HOME) == 3


def test_nobody_becomes_a_campus_by_what_they_type():
    """ENU-06: only the last part of a key is the client's, and we made it."""
    limit = RateLimit("of-a-login", "2/hour", campus_rate="9/hour")
    limit.hit("campus 203.0.113.9", client_key(HOME))
    limit.hit("campus 203.0.113.9", client_key(HOME))

    with pytest.raises(RateLimitExceeded):
        limit.hit("campus 203.0.113.9", client_key(HOME))


def test_several_rates_of_one_limit_count_together_and_the_longest_wait_is_told():
    """ENU-07"""
    limit = RateLimit("of-two-rates", "2/minute;3/hour")

    assert [is_allowed(limit, HOME) for _ in range(3)] == [True, True, False]
    with pytest.raises(RateLimitExceeded) as reached:
        limit.check(client_key(HOME))
    assert reached.value.retry_after > 60


def test_a_limit_whose_last_window_ends_while_it_is_looked_at_is_no_error(monkeypatch):
    """AVL-01: full when it was asked, empty when it was asked for how long."""
    limit = RateLimit("just-ended", "1/minute")
    limit.hit(client_key(HOME))
    real = limits._call

    def ended_first(question: str, item: object, *key: object) -> object:
        if question == "get_window_stats":
            real("clear", item, *key)
        return real(question, item, *key)

    monkeypatch.setattr(limits, "_call", ended_first)
    with pytest.raises(RateLimitExceeded) as reached:
        limit.hit(client_key(HOME))
    assert reached.value.retry_after == 1


class TestWithRedisAway:
    @pytest.fixture(autouse=True)
    def redis_away(self, monkeypatch) -> None:
        away = FixedWindowRateLimiter(RedisStorage("redis://127.0.0.1:1/0", socket_connect_timeout=0.5))
        here = FixedWindowRateLimiter(MemoryStorage())
        monkeypatch.setattr(limits, "_redis", lambda: self.asked.append(1) or away)
        monkeypatch.setattr(limits, "_local", lambda: here)
        monkeypatch.setattr(limits._Redis, "unavailable_until", 0.0)

    @pytest.fixture(autouse=True)
    def count(self) -> None:
        self.asked: list[int] = []

    def test_nothing_is_unlimited(self):
        """AVL-01: each process counts for itself."""
        assert times_allowed(RateLimit("here-only", "3/hour"), HOME) == 3

    def test_one_request_waits_for_it_once(self):
        """AVL-01: a failed sign-in asks a dozen times, and a Redis that hangs costs half a second each time."""
        RateLimit("asked-often", "9/minute;99/hour;999/day").hit(client_key(HOME))
        RateLimit("asked-too", "9/minute").check(client_key(HOME))

        assert len(self.asked) == 1

    def test_it_is_asked_again_a_moment_later(self, monkeypatch):
        limit = RateLimit("asked-again", "9/minute")
        limit.hit(client_key(HOME))
        monkeypatch.setattr(limits._Redis, "unavailable_until", 0.0)
        limit.hit(client_key(HOME))

        assert len(self.asked) == 2
