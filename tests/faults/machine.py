"""What the fault tests break: `machine`, the portal as in production on servers of its own that a test may stop, kill,
silence and empty; and `spare`, a second worker of the stack whose way to the mail server is the one of production:
STARTTLS and a certificate that is checked. What the machine commits stays until the last test: tests make people of their
own, and `tests.invariants` holds for all of them, always.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from threading import Event

import pytest
import trustme
from celery import Task
from django.db import connection
from django.utils import timezone
from psycopg.conninfo import conninfo_to_dict

from accounts.models import Account
from devtools import postgresql_files
from devtools.mailcatcher import Envelope, MailCatcher, Stage, accept
from devtools.processes import LOOPBACK, children, tail
from devtools.servers import PostgreSQL, Server
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from outbox.services import queue_email
from outbox.tasks import send_due_messages
from tests.factories import pending_account
from tests.faults.browser import LONGEST_WAIT, Answer, Browser
from tests.invariants import assert_nothing_is_half_done
from tests.project import PROJECT
from tests.stack import Stack, database_url, wait_until

#: Seconds on an idle machine: the usual and the longest wait of a load balancer (AVL-08).
ALIVE_WITHIN, PATIENCE_OF_A_BALANCER = 1.0, 5.0


class Machine(Stack):
    """Web with the processes and threads of production, a worker, PostgreSQL, Redis."""

    def __init__(self, catcher: MailCatcher, directory: Path) -> None:
        super().__init__(catcher, directory)
        self.database = PostgreSQL()

    @property
    def env(self) -> dict[str, str]:
        """Nothing of what makes other tests cheap."""
        cheap = ("ARGON2_MEMORY_KIB", "WEB_CONCURRENCY", "WEB_THREADS", "DATABASE_POOL_SIZE")
        return {
            **{name: value for name, value in super().env.items() if name not in cheap},
            "DEBUG": "false",
            "DATABASE_URL": self.database.url,
            "PORTAL_URL": self.url.replace("http://", "https://"),
            "ALLOWED_HOSTS": LOOPBACK,
            "TRUSTED_PROXIES": LOOPBACK,
            "STATIC_ROOT": str(self.directory / "static"),
        }

    @property
    def web_processes(self) -> list[int]:
        return children(self.processes["web"].pid)

    def begin(self) -> None:
        """The tables are copied, with triggers and what migrations put into them: a tenth of the time of migrations."""
        self.database.start()
        self.redis.start()
        dump, load = (postgresql_files.programs() / name for name in ("pg_dump", "psql"))
        tables = subprocess.run(
            [dump, "--no-owner", "--no-privileges", database_url()], check=True, capture_output=True
        )
        options = ["--quiet", "--set", "ON_ERROR_STOP=1", "--output", os.devnull]
        subprocess.run([load, *options, self.database.url], input=tables.stdout, check=True)
        collect = [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0"]
        subprocess.run(collect, cwd=PROJECT, env=self.env, check=True)
        self.start_all()

    def close(self) -> None:
        super().close()
        self.database.close()


@pytest.fixture(scope="session")
def the_machine(django_db_setup: None, mail_server: MailCatcher, django_db_blocker) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="portal-machine-") as directory:
        running = Machine(mail_server, Path(directory))
        try:
            with django_db_blocker.unblock():
                running.begin()
                connection.close()
            yield running
        finally:
            running.close()


@pytest.fixture
def machine(the_machine: Machine, django_db_blocker) -> Iterator[Machine]:
    """The machine, whole; models of this test read its database. Afterwards nothing on it is half done."""
    connection.close()
    before = dict(connection.settings_dict)
    if not the_machine.database.answers():
        the_machine.database.start()
    the_machine.start_all()
    the_machine.forget()
    place = conninfo_to_dict(the_machine.database.url)
    names = {"HOST": "host", "PORT": "port", "NAME": "dbname", "USER": "user", "PASSWORD": "password"}
    connection.settings_dict |= {name: str(place[part]) for name, part in names.items()}
    with django_db_blocker.unblock():
        yield the_machine
        sys.stdout.writelines(f"--- {name}\n{tail(the_machine.log(name), 60)}\n" for name in ("web", "worker"))
        assert_nothing_is_half_done()
        the_machine.rest()
        connection.close()
    connection.settings_dict |= before


def browser_of(stack: Stack, answers: list[Answer] | None = None) -> Browser:
    return Browser(stack.url, stack.env["PORTAL_URL"], answers)


@contextmanager
def silent(server: Server) -> Iterator[None]:
    """The server takes connections and says nothing until the end of the block; then it goes on with what it was sent."""
    assert server.process
    stopped = [server.process.pid, *children(server.process.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def health_probe(machine: Machine, *paths: str) -> Iterator[dict[str, list[Answer]]]:
    """What a load balancer is answered during the block, by path."""
    heard: dict[str, list[Answer]] = {path: [] for path in paths}
    command = [sys.executable, "-m", "tests.faults.browser", machine.url, *paths]
    asking = subprocess.Popen(command, cwd=PROJECT, stdin=PIPE, stdout=PIPE)
    assert asking.stdout
    asking.stdout.readline()
    try:
        yield heard
    finally:
        lines, _ = asking.communicate(timeout=2 * LONGEST_WAIT)
        for answer in (Answer(**json.loads(line)) for line in lines.splitlines()):
            heard[answer.path].append(answer)


def share_of_a_core() -> float:
    """How much of one we get beside whatever else this machine does, up to a half: it did more a moment ago."""
    began, worked = time.monotonic(), time.process_time()
    while time.process_time() - worked < 0.2:
        pass
    return 0.1 / (time.monotonic() - began)


def assert_bounded(answers: Sequence[Answer], alive: Sequence[Answer]) -> None:
    """The health checks are good, come at once for the most part, and none later than a load balancer waits."""
    share, seconds = share_of_a_core(), sorted(answer.seconds for answer in alive)
    assert max(answer.seconds for answer in answers) < LONGEST_WAIT / share
    assert {answer.status for answer in alive} == {200}
    assert seconds[len(seconds) * 3 // 4] < ALIVE_WITHIN / share
    assert seconds[-1] < PATIENCE_OF_A_BALANCER / share


class PausedServer:
    """What a mail server answers that stops at one stage, the `nth` time it comes there, until `go_on` is set."""

    def __init__(self, stage: Stage, *, then: str = "250 OK", nth: int = 1) -> None:
        self.stage, self.then, self.still_to_pass = stage, then, nth
        self.reached, self.go_on = Event(), Event()

    def __call__(self, stage: Stage, envelope: Envelope) -> str:
        if stage == self.stage:
            self.still_to_pass -= 1
            if self.still_to_pass == 0:
                self.reached.set()
                self.go_on.wait(60)
                return self.then
        return accept(stage, envelope)


class SpareWorker:
    """Does what it is given; what it leaves undone, the first worker takes over. A test sets `spare.server.answer`."""

    def __init__(self, stack: Stack, server: MailCatcher, authority: trustme.CA, directory: Path) -> None:
        self.stack, self.server, self.authority = stack, server, authority
        self.trusted = directory / "authority.pem"
        authority.cert_pem.write_to_path(self.trusted)

    def start(self) -> None:
        self.server.messages.clear()
        self.server.answer = accept
        self.present(self.authority.issue_cert(self.server.host))
        url = self.server.url.replace("smtp://", "smtp+tls://")
        self.stack.start_spare_worker(processes=8, EMAIL_URL=url, SSL_CERT_FILE=str(self.trusted))

    def present(self, certificate: trustme.LeafCert) -> None:
        self.server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.server.tls)

    def give(self, task: Task, *arguments: object) -> None:
        self.stack.send(task, *arguments, queue="spare")

    def halts(self, halt: PausedServer, task: Task, *arguments: object) -> PausedServer:
        self.server.answer = halt
        self.give(task, *arguments)
        assert halt.reached.wait(30), halt.stage
        return halt


@pytest.fixture(scope="session")
def running_spare(running_stack: Stack) -> Iterator[SpareWorker]:
    with tempfile.TemporaryDirectory(prefix="portal-spare-") as directory, MailCatcher() as server:
        yield SpareWorker(running_stack, server, trustme.CA(), Path(directory))
        running_stack.stop("spare")


@pytest.fixture
def spare(stack: Stack, running_spare: SpareWorker) -> SpareWorker:
    running_spare.start()
    return running_spare


def queued_mail(priority: Priority = Priority.URGENT) -> Message:
    person = pending_account()
    return queue_email(
        kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language="fr", priority=priority
    )


def leases_run_out(stack: Stack) -> None:
    """Five minutes later, without the wait: the first worker takes over whatever a killed one had in hand."""
    Message.objects.filter(status=Status.SENDING).update(leased_until=timezone.now())
    stack.send(send_due_messages)


def all_sent(stack: Stack, *people: Account) -> None:
    """Wait, with a sweep every two seconds, until each row, or each of these people's, is sent. Raises TimeoutError."""
    unsent = Message.objects.exclude(status=Status.SENT)
    unsent = unsent.filter(person__in=people) if people else unsent
    for _ in range(20):
        with suppress(TimeoutError):
            wait_until(lambda: not unsent.exists(), stack.log("worker"), seconds=2)
            return
        stack.send(send_due_messages)
    raise TimeoutError(tail(stack.log("worker")))
