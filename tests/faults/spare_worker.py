"""A second worker, whose way to the mail server is the one of production: STARTTLS and a certificate that is checked.

A test kills it, or changes what it finds at the other end: `spare.server.answer`, `spare.server.tls`. It does only what
it is given with `spare.give(task, …)`; what it leaves undone, the first worker of the stack takes over.
"""

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest
import trustme
from celery import Task
from django.utils import timezone

from devtools.mailcatcher import Envelope, MailCatcher, Stage, accept
from devtools.processes import tail
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from outbox.services import queue_email
from outbox.tasks import send_due_messages
from tests.factories import pending_account
from tests.stack import Stack, wait_until

PROCESSES = 8


class PausedServer:
    """What a mail server answers that stops at one stage, the `nth` time it comes there, until `go_on` is set."""

    def __init__(self, stage: Stage, *, then: str = "250 OK", nth: int = 1) -> None:
        self.stage, self.then = stage, then
        self.still_to_pass = nth
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
    """The worker and its mail server."""

    def __init__(self, stack: Stack, server: MailCatcher, authority: trustme.CA, directory: Path) -> None:
        self.stack, self.server, self.authority = stack, server, authority
        self.trusted = directory / "authority.pem"
        authority.cert_pem.write_to_path(self.trusted)

    def start(self) -> None:
        self.server.messages.clear()
        self.server.answer, self.server.tls = accept, presenting(self.authority.issue_cert(self.server.host))
        self.stack.start_spare_worker(
            processes=PROCESSES,
            EMAIL_URL=self.server.url.replace("smtp://", "smtp+tls://"),
            SSL_CERT_FILE=str(self.trusted),
        )

    def give(self, task: Task, *arguments: object) -> None:
        self.stack.send(task, *arguments, queue="spare")

    def halts(self, halt: PausedServer, task: Task, *arguments: object) -> PausedServer:
        self.server.answer = halt
        self.give(task, *arguments)
        assert halt.reached.wait(30), halt.stage
        return halt


def presenting(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def queued_mail(priority: Priority = Priority.URGENT) -> Message:
    person = pending_account()
    return queue_email(
        kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language="fr", priority=priority
    )


def queued_mails(count: int) -> list[Message]:
    return [queued_mail(Priority.BULK) for _ in range(count)]


def leases_run_out(stack: Stack) -> None:
    """Five minutes later, without the wait: the first worker takes over whatever a killed one had in hand."""
    Message.objects.filter(status=Status.SENDING).update(leased_until=timezone.now())
    stack.send(send_due_messages)


def all_sent(stack: Stack) -> None:
    """Wait until each row is sent; a sweep comes by every two seconds, as beat would send it. Raises TimeoutError."""

    def nothing_is_left() -> bool:
        return not Message.objects.exclude(status=Status.SENT).exists()

    for _ in range(20):
        with suppress(TimeoutError):
            wait_until(nothing_is_left, stack.log("worker"), seconds=2)
        if nothing_is_left():
            return
        stack.send(send_due_messages)
    raise TimeoutError(tail(stack.log("worker")))


@pytest.fixture(scope="session")
def running_spare(running_stack: Stack) -> Iterator[SpareWorker]:
    with tempfile.TemporaryDirectory(prefix="portal-spare-") as directory, MailCatcher() as server:
        yield SpareWorker(running_stack, server, trustme.CA(), Path(directory))
        running_stack.stop("spare")


@pytest.fixture
def spare(stack: Stack, running_spare: SpareWorker) -> SpareWorker:
    running_spare.start()
    return running_spare
