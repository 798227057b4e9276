"""Redis that dies, comes back and is emptied while people are there (AVL-06): it holds nothing that would be missed."""

from functools import partial

import redis

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from activation.models import LinkRequest
from activation.tasks import answer_waiting_link_requests
from core.rate_limits import MAILS_PER_HOUR
from outbox.models import Message
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.faults.machine import (
    LONGEST_WAIT,
    NEEDS_MACHINE,
    Answer,
    Browser,
    Machine,
    concurrently,
    describe,
    share_of_a_core,
)
from tests.stack import wait_until

pytestmark = NEEDS_MACHINE

#: Guesses that one client may make at one login in two minutes, wherever they are counted: in Redis, or in a process.
GUESSES = 5
TRIES = 24
A_WRONG_PASSWORD = "ce-n-est-pas-le-bon-du-tout"


def guesses_allowed(guesser: Browser, login: str) -> int:
    answers = concurrently(
        [partial(guesser.ask, "/connexion/", {"login": login, "password": A_WRONG_PASSWORD})] * TRIES
    )
    assert {answer.status for answer in answers} <= {200, 429, 503}
    return sum(answer.status == 200 for answer in answers)


def access(member: Browser, anonymous: Browser) -> list[tuple[int, str]]:
    answers = [browser.ask(path) for browser in (member, anonymous) for path in ("/compte/", "/admin/")]
    return [(answer.status, answer.location.partition("?")[0]) for answer in answers]


def ask_for_links(browser: Browser, login: str) -> None:
    for _ in range(2 * MAILS_PER_HOUR):
        assert browser.ask("/premiere-connexion/", {"login": login}).status == 302


def test_an_empty_redis_weakens_no_limit(machine: Machine, record_property):
    """AVL-06, ENU-05, ENU-07, SES-05: sessions last, mails and guesses stay limited, locked accounts stay locked."""
    member, waiting, locked = active_account(), pending_account(), active_account()
    answers: list[Answer] = []
    browsers = [machine.browser(answers) for _ in range(4)]
    signed_in, of_the_locked, anonymous, guesser = browsers
    for browser, person in ((signed_in, member), (of_the_locked, locked)):
        assert browser.ask("/connexion/", {"login": person.login, "password": A_GOOD_PASSWORD}).status == 302
    rights = access(signed_in, anonymous)

    guesses = [guesses_allowed(guesser, member.login)]
    for what_happens in (machine.redis.kill, machine.redis.start, partial(flush_redis, machine)):
        what_happens()
        assert access(signed_in, anonymous) == rights
        guesses.append(guesses_allowed(guesser, member.login))
        ask_for_links(anonymous, waiting.login)
        if not machine.redis.answers():
            lock_account(account=locked, reason=LockReason.PHISHING)
        assert of_the_locked.ask("/compte/").status == 302
    machine.restart_worker()
    LinkRequest.objects.waiting().update(requested_at="2000-01-01T00:00Z")
    machine.send(answer_waiting_link_requests)
    wait_until(lambda: not LinkRequest.objects.waiting().exists(), machine.log("worker"), seconds=30)

    record_property("fault", describe("Redis killed, started, emptied", answers, guesses=guesses))
    assert max(guesses) <= GUESSES * (1 + len(machine.web_processes))
    assert Message.objects.filter(person=waiting).count() == MAILS_PER_HOUR
    assert {answer.status for answer in answers} <= {200, 302, 403, 429, 503}
    assert max(answer.seconds for answer in answers) < LONGEST_WAIT / share_of_a_core()


def flush_redis(machine: Machine) -> None:
    with redis.Redis.from_url(machine.redis.url) as client:
        client.flushall()
