"""The directory and the worker as processes: killed, stopped, away, emptied; all is right again by itself."""

import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from devtools.ldap.slapd import BIND_DN, BIND_PASSWORD, PEOPLE, Slapd
from devtools.mailcatcher import MailCatcher
from devtools.processes import wait_until
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind
from outbox.services import queue_email
from provisioning.models import Replica
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.stack import NEEDS_STACK, Stack

pytestmark = NEEDS_STACK

SECONDS_TO_BE_RIGHT = 90.0


class LinkedStack(Stack):
    """Linked to a directory, with a beat; `web` is not needed."""

    def __init__(self, catcher: MailCatcher, directory: Path, slapd: Slapd) -> None:
        super().__init__(catcher, directory)
        self.slapd = slapd

    @property
    def env(self) -> dict[str, str]:
        return {
            **super().env,
            "PROVISIONING_LDAP_URL": self.slapd.url,
            "PROVISIONING_LDAP_BIND_DN": BIND_DN,
            "PROVISIONING_LDAP_PASSWORD": BIND_PASSWORD,
            "PROVISIONING_LDAP_BASE": PEOPLE,
        }

    def start_all(self) -> None:
        if not self.redis.answers():
            self.redis.start()
        self.environment = self.env
        self.restart_worker()
        self.start_beat()

    def wait_until_right(self) -> None:
        """Nothing waits, and everybody who may sign in can."""
        wait_until(
            lambda: not Replica.objects.exclude(status="done").exists(), self.log("worker"), seconds=SECONDS_TO_BE_RIGHT
        )


@pytest.fixture
def linked(ldap, mail_server, transactional_db) -> Iterator[LinkedStack]:
    with tempfile.TemporaryDirectory(prefix="portal-linked-") as directory:
        running = LinkedStack(mail_server, Path(directory), ldap)
        try:
            running.start_all()
            yield running
        finally:
            running.stop("beat")
            running.rest()
            running.close()


def activated(number: int) -> list[Account]:
    """Who have just chosen a password; what wakes the worker may be lost on the way."""
    people = [active_account() for _ in range(number)]
    for one in people:
        record_event(account=one, event=Event.USER_ACTIVATED)
    return people


def test_a_directory_that_was_away_gets_the_locks_first_and_then_everything(linked):
    intruded = activated(5)
    linked.wait_until_right()
    linked.slapd.stop()
    newcomers, both = activated(40), activated(5)
    for one in (*intruded, *both):
        lock_account(account=one, reason=LockReason.PHISHING)
    time.sleep(2)
    linked.slapd.start()

    linked.wait_until_right()

    assert all(linked.slapd.accepts(one.uid, A_GOOD_PASSWORD) for one in newcomers[::5])
    assert not any("userPassword" in linked.slapd.entry(one.uid) for one in (*intruded, *both))
    last_lock = Replica.objects.filter(state="locked").latest("applied_at").applied_at
    assert last_lock <= Replica.objects.filter(state="active").earliest("applied_at").applied_at


def test_a_worker_that_is_killed_while_it_writes_and_an_emptied_broker_lose_nothing(linked):
    people = activated(300)
    wait_until(lambda: Replica.objects.filter(status="done").exists(), linked.log("worker"))
    linked.kill("worker")
    linked.redis.stop()
    linked.redis.start()
    linked.restart_worker()

    linked.wait_until_right()

    assert all(linked.slapd.accepts(one.uid, A_GOOD_PASSWORD) for one in people[::30])


def test_a_directory_that_hangs_holds_up_no_mail(linked):
    linked.slapd.process.send_signal(signal.SIGSTOP)
    try:
        activated(1)
        time.sleep(1)
        person, begun = pending_account(), time.monotonic()
        queue_email(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language="fr")
        wait_until(lambda: linked.catcher.messages, linked.log("worker"), seconds=20)
        assert time.monotonic() - begun < 10
    finally:
        linked.slapd.process.send_signal(signal.SIGCONT)
