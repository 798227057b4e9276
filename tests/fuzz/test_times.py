"""ENU-03 measured: how long an answer takes tells nobody who has an account.

That the same work is done, query by query, is tested beside each form. Here the clock is looked at, which finds what
nobody thought of counting: a hash left out, a mail made in the request, a page drawn twice.
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

#: A round asks for both of them so many times; there are three rounds at most.
PAIRS, ROUNDS = 50, 3
#: One of the two may be the slower one in so many more pairs than half of them, and slower by such a share.
OFTENER, SLOWER = 0.25, 0.05
NOBODY = "personne.du.tout@univ-exemple.fr"


def signing_in(login: str) -> HttpResponse:
    return Client().post(reverse("login"), {"login": login, "password": "un-autre-mot-de-passe"})


def asking_for_a_link(login: str) -> HttpResponse:
    return Client().post(reverse("first-connection"), {"login": login})


@pytest.fixture(autouse=True)
def a_hash_worth_measuring(monkeypatch) -> None:
    """A third of what it costs in earnest: as long as the rest of the answer."""
    monkeypatch.setattr(PortalArgon2PasswordHasher, "memory_cost", 16 * 1024)


def seconds(ask: Callable[[str], HttpResponse], login: str) -> float:
    """How long the answer takes; what it did is undone."""
    with transaction.atomic():
        begun = time.perf_counter()
        ask(login)
        spent = time.perf_counter() - begun
        transaction.set_rollback(True)
    return spent


def can_be_told_apart(ask: Callable[[str], HttpResponse], one: str, other: str, draw: Random) -> bool:
    """Whether one round of answers tells which of the two is which."""
    pairs: list[dict[str, float]] = []
    for _ in range(PAIRS):
        clear_redis()
        pairs.append({login: seconds(ask, login) for login in draw.sample([one, other], 2)})
    is_slower = sum(pair[one] > pair[other] for pair in pairs) / PAIRS
    by = median(pair[one] - pair[other] for pair in pairs) / median(pair[other] for pair in pairs)
    return abs(is_slower - 0.5) > OFTENER and abs(by) > SLOWER


@pytest.mark.parametrize(
    ("ask", "make"),
    [
        (signing_in, active_account),
        (signing_in, pending_account),
        (asking_for_a_link, pending_account),
    ],
)
def test_an_answer_takes_as_long_for_somebody_as_for_nobody(ask, make):
    """ENU-03, on a machine that does other things at the same time.

    The two are asked for one right after the other, in an order that is drawn each time, and only neighbours are
    compared: what slows the machine down for a while slows both, and one very slow answer counts for one pair. A p-value
    is not asked for: with enough answers it finds differences that nobody can use, and one time in a hundred it finds one
    that is not there. What fails is an effect: slower in more than three pairs of four, and by a twentieth or more in the
    middle. Where there is none, the share of slower ones has a standard deviation of 0.5 / sqrt(50) = 0.07, so that one
    round in some two thousand goes so far by chance; then it is repeated with new answers, and the test fails when three
    in a row say so: by chance never. A hash that is left out makes one slower in nearly every pair, each time.
    """
    for _ in range(3):
        ask(NOBODY)
    draw = Random(ask.__name__)
    person: Account = make()
    assert not all(can_be_told_apart(ask, person.login, NOBODY, draw) for _ in range(ROUNDS))
