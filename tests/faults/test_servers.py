"""The portal while its servers go away and come back (AVL-06, HDR-05, SES-02), take connections and never answer (AVL-08),
or have more to do than the machine can (AVL-08, PWD-05): every wait has an end, nothing is lost, all is well afterwards.
"""

import re
import threading
import time
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from django.db import connection
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.passwords.hashers import PortalArgon2PasswordHasher
from activation.models import Charter, LinkRequest
from activation.tasks import answer_waiting_link_requests
from config.env import WEB_THREADS
from core.rate_limits import MAILS_PER_HOUR
from devtools.processes import children
from outbox.enums import Status
from outbox.models import Message
from tests.activation.wizard.client import link_to
from tests.concurrency import together
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.faults.browser import LONGEST_WAIT, Answer, Browser
from tests.faults.machine import Machine, all_sent, assert_bounded, browser_of, health_probe, share_of_a_core, silent
from tests.invariants import assert_nothing_is_half_done
from tests.stack import NEEDS_STACK, wait_until

pytestmark = NEEDS_STACK

ACTIVATIONS = 18
#: Seconds without a server. After the second one, a pool that waits twice as long after each try would be late.
A_MOMENT, A_WHILE = 2.0, 8.5
#: Seconds after which no answer fails any more.
BACK_WITHIN = 5.0
PAGES = ("/", "/connexion/", "/aide/", "/annuaire/?q=durand", "/premiere-connexion/", "/compte/", "/assistance/")
#: Guesses that one client may make at one login in two minutes, wherever they are counted: in Redis, or in a process.
GUESSES, TRIES = 5, 24
A_WRONG_PASSWORD = "ce-n-est-pas-le-bon-du-tout"
CLIENTS = 200
#: Some read, some write, some hash a password between.
ASKS = (
    ("/premiere-connexion/", {"login": "personne.inconnue"}),
    ("/annuaire/?q=durand", None),
    ("/premiere-connexion/", {"login": "quelqu.un"}),
    ("/connexion/", {"login": "personne.inconnue", "password": A_GOOD_PASSWORD}),
)
ALIVE, READY = "/sante/vivant", "/sante/pret"
#: Of one web process, in MiB: what it weighs anyway, and one hash for each of its connections.
MOST_MEMORY = 400


def browse(browser: Browser, over: threading.Event) -> None:
    for number, page in enumerate(cycle(PAGES)):
        if over.wait(0.3):
            return
        browser.ask(page)
        if number % 5 == 4:
            browser.ask("/premiere-connexion/", {"login": "personne.inconnue"})


def test_activations_continue_after_two_restarts_of_postgresql_under_load(machine):
    """AVL-06, LOG-03: some twenty requests a second, half of them of people who activate; stopped once, killed once."""
    people = [pending_account() for _ in range(ACTIVATIONS)]
    links, charter = [link_to(person) for person in people], Charter.objects.in_force().version
    answers: list[Answer] = []
    over, worker = threading.Event(), machine.processes["worker"]
    processes = (worker.pid, *children(worker.pid), *machine.web_processes)

    def activate(some: list[str]) -> None:
        for link in some:
            browser_of(machine, answers).activate(link, charter=charter, password=A_GOOD_PASSWORD, pause=0.15)

    threads = [threading.Thread(target=activate, args=[links[share::6]], daemon=True) for share in range(6)]
    for _ in range(4):
        threads.append(threading.Thread(target=browse, args=[browser_of(machine, answers), over], daemon=True))
    for thread in threads:
        thread.start()
    outages = []
    try:
        for stop, away in ((machine.database.stop, A_MOMENT), (machine.database.kill, A_WHILE)):
            time.sleep(1)
            connection.close()
            gone = time.monotonic()
            stop()
            time.sleep(away)
            machine.database.start()
            outages.append((gone, time.monotonic()))
            assert_nothing_is_half_done()
        time.sleep(BACK_WITHIN)
    finally:
        over.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()

    # Mails that the worker had in hand when the server went away are due again later, or at the end of their lease.
    wait_until(lambda: not machine.catcher.is_talking, machine.log("worker"))
    mails = Message.objects.filter(person__in=people)
    mails.unfinished().update(due_at=timezone.now())
    mails.filter(status=Status.SENDING).update(leased_until=timezone.now())
    all_sent(machine, *people)
    addresses, share = {person.recovery_address for person in people}, share_of_a_core()
    notified = [mail["To"] for mail in machine.catcher.messages if mail["To"] in addresses]
    refused = [answer for answer in answers if answer.status == 503]
    late = [
        (answer.path, answer.at - outages[-1][1])
        for answer in refused
        if not any(gone < answer.at < back + BACK_WITHIN / share for gone, back in outages)
    ]
    # 410: the answer to the last form was lost although its activation was committed, and the form was sent again.
    assert {answer.status for answer in answers} <= {200, 302, 404, 503, 410}
    assert {answer.path for answer in answers if answer.status == 410} <= {"/activation/mot-de-passe/"}
    assert refused
    assert late == []
    assert all(answer.retry_after and "indisponible" in answer.text for answer in refused)
    assert max(answer.seconds for answer in answers) < LONGEST_WAIT / share
    assert processes == (worker.pid, *children(worker.pid), *machine.web_processes)
    assert set(notified) == addresses
    assert len(notified) <= ACTIVATIONS + 2, "one copy more for each time that the server went away"
    assert all(person.is_active for person in Account.objects.filter(pk__in=[person.pk for person in people]))


def guesses_allowed(guesser: Browser, login: str) -> int:
    guess = partial(guesser.ask, "/connexion/", {"login": login, "password": A_WRONG_PASSWORD})
    answers = together(*[guess] * TRIES)
    assert {answer.status for answer in answers} <= {200, 429, 503}
    return sum(answer.status == 200 for answer in answers)


def access(*browsers: Browser) -> list[tuple[int, str]]:
    answers = [browser.ask(path) for browser in browsers for path in ("/compte/", "/admin/")]
    return [(answer.status, answer.location.partition("?")[0]) for answer in answers]


def test_an_empty_redis_weakens_no_limit(machine):
    """AVL-06, ENU-05, ENU-07, SES-05: sessions last, mails and guesses stay limited, locked accounts stay locked."""
    member, waiting, locked = active_account(), pending_account(), active_account()
    answers: list[Answer] = []
    signed_in, of_the_locked, anonymous, guesser = (browser_of(machine, answers) for _ in range(4))
    for browser, person in ((signed_in, member), (of_the_locked, locked)):
        assert browser.ask("/connexion/", {"login": person.login, "password": A_GOOD_PASSWORD}).status == 302
    rights = access(signed_in, anonymous)
    most_guesses = GUESSES * (1 + len(machine.web_processes))
    assert guesses_allowed(guesser, member.login) <= most_guesses
    for what_happens in (machine.redis.kill, machine.redis.start, machine.forget):
        what_happens()
        assert access(signed_in, anonymous) == rights
        assert guesses_allowed(guesser, member.login) <= most_guesses
        for _ in range(2 * MAILS_PER_HOUR):
            assert anonymous.ask("/premiere-connexion/", {"login": waiting.login}).status == 302
        if not machine.redis.answers():
            lock_account(account=locked, reason=LockReason.PHISHING)
        assert of_the_locked.ask("/compte/").status == 302
    machine.restart_worker()
    LinkRequest.objects.waiting().update(requested_at="2000-01-01T00:00Z")
    machine.send(answer_waiting_link_requests)
    wait_until(lambda: not LinkRequest.objects.waiting().exists(), machine.log("worker"), seconds=30)
    assert Message.objects.filter(person=waiting).count() == MAILS_PER_HOUR
    assert {answer.status for answer in answers} <= {200, 302, 403, 429, 503}
    assert max(answer.seconds for answer in answers) < LONGEST_WAIT / share_of_a_core()


def load(machine: Machine) -> tuple[list[Answer], list[Answer]]:
    """The answers to two hundred clients, and meanwhile whether the portal was ready."""
    acts = [partial(browser_of(machine).ask, path, form) for path, form in islice(cycle(ASKS), CLIENTS)]
    with health_probe(machine, ALIVE, READY) as heard:
        answers = together(*acts)
    assert_bounded(answers, heard[ALIVE])
    assert max(answer.seconds for answer in heard[READY]) < LONGEST_WAIT / share_of_a_core()
    threads = [thread for pid in machine.web_processes for thread in Path(f"/proc/{pid}/task").iterdir()]
    assert len(threads) <= len(machine.web_processes) * (WEB_THREADS + 12)
    return answers, heard[READY]


def assert_well(machine: Machine) -> None:
    wait_until(lambda: browser_of(machine).ask(READY).text == "prêt\n", machine.log("web"), seconds=5)
    acts = (partial(browser_of(machine).insist, path, form) for path, form in islice(cycle(ASKS), 16))
    assert {answer.status for answer in together(*acts)} == {200, 302}


def test_two_hundred_people_sign_in_at_once(machine):
    """AVL-08, PWD-05: logins beyond the capacity get 503; memory is bounded."""
    people = [active_account() for _ in range(40)]
    hasher = PortalArgon2PasswordHasher()
    hasher.memory_cost = 46 * 1024  # as shipped; tests hash for less
    encoded = hasher.encode(A_GOOD_PASSWORD, hasher.salt())
    Account.objects.filter(pk__in=[person.pk for person in people]).update(password=encoded)
    forms = [{"login": person.login, "password": A_GOOD_PASSWORD} for person in people]
    acts = [partial(browser_of(machine).ask, "/connexion/", form) for form in islice(cycle(forms), CLIENTS)]
    with health_probe(machine, ALIVE) as heard:
        answers = together(*acts)

    signed_in = [answer for answer in answers if answer.status == 302]
    refused = [answer for answer in answers if answer.status == 503]
    assert len(signed_in) + len(refused) == CLIENTS
    assert len(signed_in) > CLIENTS / 20
    assert all(answer.retry_after for answer in refused)
    assert_bounded(answers, heard[ALIVE])
    for pid in machine.web_processes:
        [most_memory] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert int(most_memory) < MOST_MEMORY * 1024
    assert browser_of(machine).ask("/connexion/", forms[0]).status == 302


def test_a_silent_database_answers_503(machine):
    """AVL-08, HDR-05: pages ask to retry later, the readiness check fails."""
    assert_well(machine)
    with silent(machine.database):
        answers, ready = load(machine)
    assert {answer.status for answer in (*answers, *ready)} == {503}
    assert all(answer.retry_after for answer in answers)
    assert_well(machine)


def test_a_silent_redis_is_not_required(machine):
    """AVL-01, AVL-08: as many are served as there is time for, and what they asked for is recorded."""
    assert_well(machine)
    before = LinkRequest.objects.count()
    with silent(machine.redis):
        answers, ready = load(machine)
    asked = [answer for answer in answers if answer.path == "/premiere-connexion/"]
    assert {answer.status for answer in answers} <= {200, 302, 503}
    assert LinkRequest.objects.count() - before == sum(answer.status == 302 for answer in asked) > CLIENTS / 12
    assert all("prêt" in answer.text for answer in ready if answer.status == 200)
    assert_well(machine)
