"""Somebody who can write to the broker cannot run anything in a worker, with the real processes (SUP-03)."""

from pathlib import Path

from kombu import Connection

from config.celery import app
from outbox.enums import Kind, Priority
from outbox.services import queue_email
from outbox.tasks import send_due_messages
from tests.factories import pending_account
from tests.stack import NEEDS_STACK, Stack, wait_until

pytestmark = NEEDS_STACK


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (open, (str(self.trace), "w"))


def test_a_pickled_message_is_thrown_away_unread_and_the_worker_goes_on(stack: Stack, tmp_path: Path) -> None:
    """SUP-03: the worker takes JSON and nothing else."""
    worker, trace = stack.processes["worker"].pid, tmp_path / "trace"
    person = pending_account()
    queue_email(
        kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language="fr", priority=Priority.BULK
    )

    with Connection(stack.redis.url) as broker:
        app.send_task(send_due_messages.name, [Payload(trace)], serializer="pickle", connection=broker)
    wait_until(lambda: "ContentDisallowed" in stack.log("worker").read_text(errors="replace"), stack.log("worker"))
    stack.send(send_due_messages)

    [mail] = stack.catcher.wait_for(1)
    assert person.recovery_address in mail["To"]
    assert not trace.exists()
    assert (stack.processes["worker"].pid, stack.processes["worker"].poll()) == (worker, None)
