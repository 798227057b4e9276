"""ENU-03: the response time does not tell whether an account exists.

Equal queries are tested with each form; the clock finds the rest, such as a hash left out.
"""

import time
from collections.abc import Callable
from random import Random
from statistics import median

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from accounts.passwords.hashers import PortalArgon2PasswordHasher
from tests.factories import active_account, pending_account
from tests.memory import clear_redis

pytestmark = pytest.mark.django_db

#: Requests for each login in a round; rounds at most.
PAIRS, ROUNDS = 50, 3
#: One login may be slower in this share of pairs above one half, and by this share of the median.
MORE_OFTEN, SLOWER = 0.25, 0.05
UNKNOWN_LOGIN = "personne.du.tout@univ-exemple.fr"


def signing_in(login: str) -> HttpResponse:
    return Client().post(reverse("login"), {"login": login, "password": "un-autre-mot-de-passe"})


def asking_for_a_link(login: str) -> HttpResponse:
    return Client().post(reverse("first-connection"), {"login": login})


@pytest.fixture(autouse=True)
def measurable_hash(monkeypatch) -> None:
    # A third of production: as long as the rest of the response.
    monkeypatch.setattr(PortalArgon2PasswordHasher, "memory_cost", 16 * 1024)


def seconds(ask: Callable[[str], HttpResponse], login: str) -> float:
    with transaction.atomic():
        begun = time.perf_counter()
        ask(login)
        spent = time.perf_counter() - begun
        transaction.set_rollback(True)
    return spent


def are_distinguishable(ask: Callable[[str], HttpResponse], one: str, other: str, draw: Random) -> bool:
    pairs: list[dict[str, float]] = []
    for _ in range(PAIRS):
        clear_redis()
        pairs.append({login: seconds(ask, login) for login in draw.sample([one, other], 2)})
    is_slower = sum(pair[one] > pair[other] for pair in pairs) / PAIRS
    by = median(pair[one] - pair[other] for pair in pairs) / median(pair[other] for pair in pairs)
    return abs(is_slower - 0.5) > MORE_OFTEN and abs(by) > SLOWER


@pytest.mark.parametrize(
    ("ask", "make"),
    [
        (signing_in, active_account),
        (signing_in, pending_account),
        (asking_for_a_link, pending_account),
    ],
)
def test_response_time_does_not_tell_whether_the_account_exists(ask, make):
    """ENU-03, on a busy machine.

    The two logins are tried in pairs in random order, so a slow phase of the machine slows both. The test fails on an
    effect, not on a p-value: slower in more than three pairs of four and by a twentieth of the median, in three rounds in
    a row. Without an effect the share of slower ones has a standard deviation of 0.5 / sqrt(50) = 0.07, so one round in
    two thousand fails by chance. A hash left out makes one slower in nearly every pair.
    """
    for _ in range(3):
        ask(UNKNOWN_LOGIN)
    draw = Random(ask.__name__)
    person: Account = make()
    assert not all(are_distinguishable(ask, person.login, UNKNOWN_LOGIN, draw) for _ in range(ROUNDS))
