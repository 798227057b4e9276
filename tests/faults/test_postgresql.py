"""PostgreSQL that goes away and comes back while people are there (AVL-06, HDR-05, SES-02)."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from itertools import cycle

from django.db import connection
from django.utils import timezone

from accounts.models import Account
from activation.models import Charter
from outbox.enums import Status
from outbox.models import Message
from outbox.tasks import send_due_messages
from tests.activation.wizard.client import link_to
from tests.factories import A_GOOD_PASSWORD, pending_account
from tests.faults.machine import (
    LONGEST_WAIT,
    NEEDS_MACHINE,
    Answer,
    Browser,
    Machine,
    children,
    describe,
    share_of_a_core,
)
from tests.invariants import assert_nothing_is_half_done
from tests.stack import wait_until

pytestmark = NEEDS_MACHINE

ACTIVATIONS = 18
#: Seconds without a server. After the second one, a pool that waits twice as long after each try would be late.
A_MOMENT, A_WHILE = 2.0, 8.5
#: Seconds after which no answer fails any more.
BACK_WITHIN = 5.0
PAGES = ("/", "/connexion/", "/aide/", "/annuaire/?q=durand", "/premiere-connexion/", "/compte/", "/assistance/")


def activate(browser: Browser, link: str, version: str, pause: float) -> None:
    """The whole activation, each page and each form once; whoever is told to come back does, and goes on there."""
    steps: list[tuple[str, dict[str, str] | None]] = [
        (link, None),
        ("/activation/", None),
        ("/activation/", {}),
        ("/activation/charte/", None),
        ("/activation/charte/", {"version": version, "accepted": "on"}),
        ("/activation/annuaire/", {"listed": "yes", "understood": "on"}),
        ("/activation/messagerie/", {}),
        ("/activation/mot-de-passe/", None),
        ("/activation/mot-de-passe/", {"password": A_GOOD_PASSWORD, "password2": A_GOOD_PASSWORD}),
    ]
    for path, form in steps:
        browser.insist(path, form)
        time.sleep(pause)


def browse(browser: Browser, over: threading.Event) -> None:
    for number, page in enumerate(cycle(PAGES)):
        if over.wait(0.3):
            return
        browser.ask(page)
        if number % 5 == 4:
            browser.ask("/premiere-connexion/", {"login": "personne.inconnue"})


@contextmanager
def in_threads(*acts: Callable[[], object]):
    threads = [threading.Thread(target=act, daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def mails_to(machine: Machine, people: list[Account]) -> list[str]:
    """Whom the worker has told that their account is active, once for each mail; waits until everybody knows."""
    addresses = {person.recovery_address for person in people}

    def arrived() -> list[str]:
        return [mail["To"] for mail in machine.catcher.messages if mail["To"] in addresses]

    # Those that the worker had in hand when the server went away are due again later, or at the end of their lease.
    wait_until(lambda: not machine.catcher.is_talking, machine.log("worker"))
    mails = Message.objects.filter(person__in=people)
    mails.unfinished().update(due_at=timezone.now())
    mails.filter(status=Status.SENDING).update(leased_until=timezone.now())
    machine.send(send_due_messages)
    wait_until(lambda: set(arrived()) == addresses, machine.log("worker"), seconds=60)
    return arrived()


def test_activations_continue_after_two_restarts_under_load(machine: Machine, record_property):
    """AVL-06, LOG-03: some twenty requests a second, half of them of people who activate; stopped once, killed once."""
    people = [pending_account() for _ in range(ACTIVATIONS)]
    links, version = [link_to(person) for person in people], Charter.objects.in_force().version
    answers: list[Answer] = []
    over, worker = threading.Event(), machine.processes["worker"]
    processes = (worker.pid, *children(worker.pid), *machine.web_processes)

    def activating(share: int) -> Callable[[], None]:
        return lambda: [activate(machine.browser(answers), link, version, 0.15) for link in links[share::6]]

    browsing = [lambda: browse(machine.browser(answers), over) for _ in range(4)]
    gone: list[float] = []
    back: list[float] = []
    with in_threads(*map(activating, range(6)), *browsing):
        try:
            for stop, away in ((machine.database.stop, A_MOMENT), (machine.database.kill, A_WHILE)):
                time.sleep(1)
                connection.close()
                gone.append(time.monotonic())
                stop()
                time.sleep(away)
                machine.database.start()
                back.append(time.monotonic())
                assert_nothing_is_half_done()
            time.sleep(BACK_WITHIN)
        finally:
            over.set()

    notified = mails_to(machine, people)
    refused = [answer for answer in answers if answer.status == 503]
    share = share_of_a_core()
    expected = [(left, came + BACK_WITHIN / share) for left, came in zip(gone, back, strict=True)]
    late = [answer for answer in refused if not any(left < answer.at < until for left, until in expected)]
    record_property("fault", describe("PostgreSQL stopped, then killed", answers))
    record_property("fault", f"sent {len(set(notified))}, lost 0, doubled {len(notified) - len(set(notified))}")
    # The last one: somebody whose activation was committed, and whose answer was lost, has pressed the button again.
    assert {answer.status for answer in answers} <= {200, 302, 404, 503, 410}
    assert {answer.path for answer in answers if answer.status == 410} <= {"/activation/mot-de-passe/"}
    assert refused
    assert [(answer.path, answer.at - back[-1]) for answer in late] == []
    assert all(answer.retry_after and "indisponible" in answer.text for answer in refused)
    assert max(answer.seconds for answer in answers) < LONGEST_WAIT / share
    assert processes == (worker.pid, *children(worker.pid), *machine.web_processes)
    assert len(notified) <= ACTIVATIONS + 2, "one copy more for each time that the server went away"
    assert all(person.is_active for person in Account.objects.filter(pk__in=[person.pk for person in people]))
