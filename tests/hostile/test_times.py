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

from accounts.hashers import PortalArgon2PasswordHasher
from accounts.models import Account
from tests.memory import forget_limits
from tests.people import active_person, pending_person

pytestmark = pytest.mark.django_db

#: A round compares this many answers for each of the two; there are three rounds at most.
ANSWERS, ROUNDS = 60, 3
#: One of the two may be the slower one so much more often than by turns, and so much slower.
OFTENER, SLOWER = 0.2, 0.1
NOBODY = "personne.du.tout@univ-exemple.fr"


def signing_in(login: str) -> HttpResponse:
    return Client().post(reverse("login"), {"login": login, "password": "un-autre-mot-de-passe"})


def asking_for_a_link(login: str) -> HttpResponse:
    return Client().post(reverse("first-connection"), {"login": login})


@pytest.fixture(autouse=True)
def a_hash_worth_measuring(monkeypatch) -> None:
    """A tenth of what it costs in earnest: as long as the rest of the answer."""
    monkeypatch.setattr(PortalArgon2PasswordHasher, "memory_cost", 4 * 1024)


def seconds(ask: Callable[[str], HttpResponse], login: str) -> float:
    """How long the answer takes; what it did is undone."""
    with transaction.atomic():
        begun = time.perf_counter()
        ask(login)
        spent = time.perf_counter() - begun
        transaction.set_rollback(True)
    return spent


def tell_apart(ask: Callable[[str], HttpResponse], one: str, other: str, draw: Random) -> bool:
    """Whether the two can be told apart by one round of answers."""
    spent: dict[str, list[float]] = {one: [], other: []}
    for _ in range(ANSWERS):
        forget_limits()
        for login in draw.sample([one, other], 2):
            spent[login].append(seconds(ask, login))
    later = sum((a > b) + (a == b) / 2 for a in spent[one] for b in spent[other]) / ANSWERS**2
    apart = abs(median(spent[one]) - median(spent[other])) / min(median(spent[one]), median(spent[other]))
    return abs(later - 0.5) > OFTENER and apart > SLOWER


@pytest.mark.parametrize(
    ("ask", "make"),
    [
        (signing_in, active_person),
        (signing_in, pending_person),
        (asking_for_a_link, pending_person),
    ],
)
def test_an_answer_takes_as_long_for_somebody_as_for_nobody(ask, make):
    """ENU-03, on a machine that does other things at the same time.

    Both are asked for by turns, in an order that is drawn for each pair, so that whatever slows the machine down slows
    both. Ranks are compared (Mann-Whitney's U, as the share of pairs in which one is the slower: one half when there is
    nothing to see), so that a few slow answers count no more than any others. A p-value is not used: with enough answers
    it finds differences that nobody can use, and one time in a hundred it finds one that is not there. What fails is an
    effect: slower in more than 70 of 100 pairs, and by more than a tenth at the middle. Without a difference the share
    has a standard deviation of sqrt(121 / (12 * 60 * 60)) = 0.053, so that one round in some ten thousand goes so far;
    a round that does is repeated with new answers, and the test fails if three in a row do. A real difference of a
    tenth or more is still seen each time: a hash left out makes one slower in nearly every pair.
    """
    for _ in range(3):
        ask(NOBODY)
    draw = Random(ask.__name__)
    person: Account = make()
    assert not all(tell_apart(ask, person.login, NOBODY, draw) for _ in range(ROUNDS))
