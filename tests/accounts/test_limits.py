"""How often things may be asked for, and from where."""

import pytest

from accounts.limits import Limit, LimitReached, client_key

HOME, CAMPUS = "198.51.100.7", "203.0.113.9"


@pytest.fixture(autouse=True)
def one_campus(settings) -> None:
    settings.CAMPUS_NETWORKS = ["203.0.113.0/28"]


def is_allowed(limit: Limit, address: str) -> bool:
    try:
        limit.hit(client_key(address))
    except LimitReached as reached:
        return not 0 < reached.retry_after <= 3601
    return True


def times_allowed(limit: Limit, address: str) -> int:
    return sum(is_allowed(limit, address) for _ in range(20))


def test_a_campus_behind_one_address_may_ask_more_often_but_not_without_end():
    """ENU-06"""
    limit = Limit("of-a-campus", "3/hour", campus_rate="9/hour")

    assert times_allowed(limit, HOME) == 3
    assert times_allowed(limit, CAMPUS) == 9
    assert times_allowed(limit, "203.0.113.10") == 9


def test_a_limit_that_names_no_campus_is_the_same_for_everybody():
    """ENU-06, ENU-07"""
    limit = Limit("for-everybody", "3/hour")

    assert times_allowed(limit, CAMPUS) == times_allowed(limit, HOME) == 3


def test_nobody_becomes_a_campus_by_what_they_type():
    """ENU-06: only the last part of a key is the client's, and we made it."""
    limit = Limit("of-a-login", "2/hour", campus_rate="9/hour")
    limit.hit("campus 203.0.113.9", client_key(HOME))
    limit.hit("campus 203.0.113.9", client_key(HOME))

    with pytest.raises(LimitReached):
        limit.hit("campus 203.0.113.9", client_key(HOME))
