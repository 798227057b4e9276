"""The same job from several sides at once (AVL-05), and what a killed web process leaves behind (AVL-02)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread

import pytest
import redis
import requests
from django.utils import timezone

from activation.models import LinkRequest
from outbox.enums import Status
from outbox.models import Message
from outbox.tasks import send_due_messages, send_message
from tests.factories import pending_account
from tests.faults.http_client import PortalClient
from tests.faults.machine import children
from tests.faults.spare_worker import all_sent, queued_mail, queued_mails
from tests.faults.tally import Tally
from tests.stack import NEEDS_STACK, PROJECT, Stack, wait_until

pytestmark = NEEDS_STACK

ROUNDS = 50
TIMES = 8


def test_a_row_given_to_eight_processes_at_one_instant_is_sent_once(stack, tally):
    """AVL-05: fifty rounds at a barrier; then each task delivered eight times by the broker."""
    rows = [message.pk for message in queued_mails(ROUNDS)]
    subprocess.run(
        [sys.executable, "-m", "tests.faults.concurrent_send", *map(str, rows)],
        env={**stack.env, "DATABASE_POOL_SIZE": "0"},
        cwd=PROJECT,
        check=True,
        timeout=120,
    )
    delivered_again = [message.pk for message in queued_mails(5)]
    for row in [*delivered_again, *rows[:5]] * TIMES:
        stack.send(send_message, row)
    all_sent(stack)
    until_nothing_waits(stack)
    assert set(Message.objects.values_list("status", "attempts")) == {(Status.SENT, 1)}
    assert tally(stack.catcher.messages) == Tally(sent=ROUNDS + 5, lost=0, doubled=0)


def test_two_beats_and_a_killed_web_process_give_one_mail_each(stack, client, tally):
    """AVL-02, AVL-05, AVL-07: killed between its commit and its call to the broker; a beat whose clock is 90 seconds
    late queues what is left, a second beat queues none of it again.
    """
    person = pending_account()
    with paused_broker(stack):
        asking = Thread(target=request_without_answer, args=(client, person.login))
        asking.start()
        wait_until(LinkRequest.objects.waiting().exists, stack.log("web"), seconds=20)
        kill_children(stack, "web")
        asking.join(20)
    assert tasks_waiting(stack) == 0
    assert stack.catcher.messages == []
    for _ in range(20):
        queued_mail()
    LinkRequest.objects.update(requested_at=timezone.now() - timedelta(minutes=1))
    stack.start_late_beat()
    stack.catcher.wait_for(21, timeout=60)
    stack.start_beat()
    for beat in ("late-beat", "beat"):
        wait_until(lambda beat=beat: sweeps_of(stack, beat) >= 3, stack.log(beat), seconds=30)
        stack.stop(beat)
    until_nothing_waits(stack)
    wait_until(stack.web_is_ready, stack.log("web"), seconds=30)

    assert person.recovery_address in {mail["To"] for mail in stack.catcher.messages}
    assert LinkRequest.objects.count() == 1
    assert tally(stack.catcher.messages) == Tally(sent=21, lost=0, doubled=0)


def request_without_answer(client: PortalClient, login: str) -> None:
    with pytest.raises(requests.ConnectionError):
        client.request_link(login)


@contextmanager
def paused_broker(stack: Stack) -> Iterator[None]:
    """Redis executes no write; it drops those of clients that disconnect meanwhile."""
    with redis.Redis.from_url(stack.redis.url) as server:
        server.execute_command("CLIENT", "PAUSE", "30000", "WRITE")
        yield
        server.execute_command("CLIENT", "UNPAUSE")


def kill_children(stack: Stack, name: str) -> None:
    """Kill the children; the parent starts others."""
    for child in children(stack.processes[name].pid):
        os.kill(child, signal.SIGKILL)


def tasks_waiting(stack: Stack) -> int:
    with redis.Redis.from_url(stack.redis.url) as server:
        return sum(server.llen(queue) for queue in ("urgent", "bulk"))


def until_nothing_waits(stack: Stack) -> None:
    wait_until(lambda: tasks_waiting(stack) == 0, stack.log("worker"), seconds=30)
    time.sleep(0.2)
    stack.wait_until_quiet()


def sweeps_of(stack: Stack, beat: str) -> int:
    return stack.log(beat).read_text().count(send_due_messages.name)
