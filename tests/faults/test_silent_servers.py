"""Servers that take connections and never answer: every wait has an end, and the portal is well afterwards (AVL-08)."""

from functools import partial
from itertools import cycle, islice
from pathlib import Path
from threading import Event

from activation.models import LinkRequest
from config.env import WEB_THREADS
from devtools.mailcatcher import Envelope, Stage, accept
from outbox.enums import Status
from outbox.models import Message
from tests.factories import A_GOOD_PASSWORD, pending_account
from tests.faults.machine import (
    LONGEST_WAIT,
    NEEDS_MACHINE,
    Answer,
    Machine,
    assert_it_stays_alive,
    concurrently,
    describe,
    health_probe,
    share_of_a_core,
)
from tests.stack import wait_until

pytestmark = NEEDS_MACHINE

CLIENTS = 200
#: Some read, some write, some hash a password between.
ASKS = (
    ("/premiere-connexion/", {"login": "personne.inconnue"}),
    ("/annuaire/?q=durand", None),
    ("/premiere-connexion/", {"login": "quelqu.un"}),
    ("/connexion/", {"login": "personne.inconnue", "password": A_GOOD_PASSWORD}),
)
ALIVE, READY = "/sante/vivant", "/sante/pret"


def load(machine: Machine) -> tuple[list[Answer], dict[str, list[Answer]]]:
    acts = [partial(machine.browser().ask, path, form) for path, form in islice(cycle(ASKS), CLIENTS)]
    with health_probe(machine, ALIVE, READY) as heard:
        return concurrently(acts), heard


def threads_of(machine: Machine) -> int:
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in machine.web_processes)


def assert_every_wait_was_bounded(machine: Machine, answers: list[Answer], heard: dict[str, list[Answer]]) -> None:
    share = share_of_a_core()
    assert max(answer.seconds for answer in answers) < LONGEST_WAIT / share
    assert_it_stays_alive(heard[ALIVE])
    assert max(answer.seconds for answer in heard[READY]) < LONGEST_WAIT / share
    assert threads_of(machine) <= len(machine.web_processes) * (WEB_THREADS + 12)


def assert_recovered(machine: Machine) -> None:
    wait_until(lambda: machine.browser().ask(READY).text == "prêt\n", machine.log("web"), seconds=5)
    answers = concurrently([partial(machine.browser().ask, path, form) for path, form in islice(cycle(ASKS), 16)])
    assert {answer.status for answer in answers} == {200, 302}


def test_a_silent_database_answers_503(machine, record_property):
    """AVL-08, HDR-05: pages ask to retry later, the readiness check fails."""
    assert_recovered(machine)
    with machine.relays["database"].silent():
        answers, heard = load(machine)

    record_property("fault", describe("PostgreSQL says nothing", answers, alive_within=longest(heard[ALIVE])))
    assert {answer.status for answer in answers} == {503}
    assert all(answer.retry_after for answer in answers)
    assert_every_wait_was_bounded(machine, answers, heard)
    assert {answer.status for answer in heard[READY]} == {503}
    assert_recovered(machine)


def test_a_silent_redis_is_not_required(machine, record_property):
    """AVL-01, AVL-08: as many are served as there is time for, and what they asked for is recorded."""
    assert_recovered(machine)
    before = LinkRequest.objects.count()
    with machine.relays["redis"].silent():
        answers, heard = load(machine)

    record_property("fault", describe("Redis says nothing", answers, alive_within=longest(heard[ALIVE])))
    asked = [answer for answer in answers if answer.path == "/premiere-connexion/"]
    assert {answer.status for answer in answers} <= {200, 302, 503}
    assert LinkRequest.objects.count() - before == sum(answer.status == 302 for answer in asked) > CLIENTS / 12
    assert_every_wait_was_bounded(machine, answers, heard)
    assert all("prêt" in answer.text for answer in heard[READY] if answer.status == 200)
    assert_recovered(machine)


def test_a_silent_mail_server_delays_no_page(machine, record_property):
    """AVL-08, ENU-04: pages only ask for mails; those that were asked for leave when it speaks again."""
    speaks, people = Event(), [pending_account() for _ in range(3)]

    def saying_nothing(stage: Stage, envelope: Envelope) -> str:
        speaks.wait(30)
        return accept(stage, envelope)

    machine.catcher.answer = saying_nothing
    for person in people:
        machine.browser().ask("/premiere-connexion/", {"login": person.login})
    answers, heard = load(machine)
    speaks.set()

    record_property("fault", describe("SMTP says nothing", answers, alive_within=longest(heard[ALIVE])))
    assert {answer.status for answer in answers} <= {200, 302, 503}
    assert_every_wait_was_bounded(machine, answers, heard)
    mails = Message.objects.filter(person__in=people)
    wait_until(lambda: mails.filter(status=Status.SENT).count() == 3, machine.log("worker"), seconds=30)


def longest(answers: list[Answer]) -> str:
    return f"{max(answer.seconds for answer in answers):.2f} s"
