"""The portal while its broker or its worker fails, with the real processes: no request hangs, no mail is lost."""

import time
from datetime import timedelta
from threading import Event

import pytest
from django.db import connection
from django.utils import timezone

from activation.models import LinkRequest
from activation.tasks import answer_waiting_link_requests
from devtools.mailcatcher import accept
from outbox.enums import Kind, Status
from outbox.models import Message
from outbox.services import queue_email
from outbox.tasks import send_due_messages
from tests.activation.wizard.client import link_to
from tests.factories import active_account, pending_account
from tests.faults.spare_worker import PausedServer
from tests.faults.tally import Tally
from tests.mail_delivery import text_of
from tests.stack import NEEDS_STACK, Stack, wait_until

pytestmark = NEEDS_STACK

PATIENCE = 2.0


@pytest.fixture
def without_broker(stack: Stack) -> None:
    stack.redis.kill()


def beat_ticks(stack: Stack) -> None:
    """Run beat's sweeps; they leave a request of the last five seconds to the worker that was notified."""
    LinkRequest.objects.waiting().update(requested_at=timezone.now() - timedelta(minutes=1))
    stack.send(answer_waiting_link_requests)
    wait_until(lambda: not LinkRequest.objects.waiting().exists(), stack.log("worker"), seconds=30)
    stack.send(send_due_messages)


def all_sent(stack: Stack, count: int) -> None:
    wait_until(lambda: Message.objects.filter(status=Status.SENT).count() == count, stack.log("worker"), seconds=30)


class TestBroker:
    def test_a_link_is_mailed_without_waiting_for_a_sweep(self, stack, client):
        person = pending_account()
        client.request_link(person.login)
        [mail] = stack.catcher.wait_for(1, timeout=15)
        assert mail["To"] == person.recovery_address
        assert stack.url in text_of(mail)

    def test_without_the_broker_pages_answer_and_mails_leave_later(self, stack, client, without_broker, tally):
        """AVL-01: a link asked for and an activation finished, within two seconds a page; one row and one mail each."""
        person, newcomer = pending_account(), pending_account()
        page, seconds = client.request_link(person.login)
        assert "e-mail" in page
        assert seconds < PATIENCE
        assert client.activate(link_to(newcomer)) < 2 * PATIENCE
        newcomer.refresh_from_db()
        assert newcomer.activated_at
        assert LinkRequest.objects.waiting().count() == 1
        assert list(Message.objects.values_list("person", "kind")) == [(newcomer.pk, Kind.ACCOUNT_ACTIVATED)]
        assert stack.catcher.messages == []
        stack.redis.start()
        beat_ticks(stack)
        mails = stack.catcher.wait_for(2, timeout=30)
        all_sent(stack, 2)
        beat_ticks(stack)
        assert {mail["To"] for mail in mails} == {person.recovery_address, newcomer.recovery_address}
        assert tally(stack.catcher.messages) == Tally(sent=2, lost=0, doubled=0)

    def test_an_empty_broker_gets_its_queues_back_without_a_sweep(self, stack, client, without_broker):
        """AVL-06: the worker declares the lost queues again, without a sweep."""
        client.request_link("nobody@univ-exemple.fr")
        stack.redis.start()
        wait_until(lambda: stack.redis.answers() and stack.worker_listens(), stack.log("worker"), seconds=60)
        person = pending_account()
        client.request_link(person.login)
        [mail] = stack.catcher.wait_for(1, timeout=30)
        assert mail["To"] == person.recovery_address

    def test_a_worker_survives_a_broker_that_dies_while_it_sends(self, stack, tally):
        """AVL-06: the process goes on; the mail being sent arrives once, the next one too."""
        stack.catcher.answer = halt = PausedServer("data")
        first, second = pending_account(), pending_account()
        worker = stack.processes["worker"]
        queue_email(kind=Kind.ACTIVATION, person=first, address=first.recovery_address, language="fr")
        stack.send(send_due_messages)
        assert halt.reached.wait(20)
        stack.redis.kill()
        time.sleep(1)
        halt.go_on.set()
        all_sent(stack, 1)
        stack.redis.start()
        queue_email(kind=Kind.ACTIVATION, person=second, address=second.recovery_address, language="fr")
        wait_until(lambda: stack.worker_listens() or worker.poll() is not None, stack.log("worker"), seconds=60)
        assert worker.poll() is None
        stack.send(send_due_messages)
        all_sent(stack, 2)
        assert [mail["To"] for mail in stack.catcher.messages] == [first.recovery_address, second.recovery_address]
        assert tally(stack.catcher.messages) == Tally(sent=2, lost=0, doubled=0)

    @pytest.mark.parametrize("trouble", ["broker down", "mail refused", "mail server hangs"])
    def test_trouble_behind_the_page_is_not_seen_on_it(self, stack, client, trouble):
        """ENU-04: the same page within two seconds for known and unknown logins."""
        known, active = pending_account(), active_account()
        pages_without_trouble = {client.request_link("nobody@univ-exemple.fr")[0]}
        released = Event()
        if trouble == "broker down":
            stack.redis.kill()
        if trouble == "mail refused":
            stack.catcher.answer = lambda stage, envelope: "550 5.1.1 No"
        if trouble == "mail server hangs":
            stack.catcher.answer = lambda stage, envelope: str(released.wait(30)) and accept(stage, envelope)
        answers = [client.request_link(login) for login in (known.login, active.login, "nobody2@univ-exemple.fr")]
        released.set()
        if trouble == "broker down":
            stack.redis.start()
        assert {page for page, _ in answers} == pages_without_trouble
        assert all(seconds < PATIENCE for _, seconds in answers), answers


class TestDatabase:
    def test_connections_that_break_are_made_anew(self, stack, client):
        """AVL-06: web and worker replace the connections of their pools after a restart of PostgreSQL."""
        first, second = pending_account(), pending_account()
        client.request_link(first.login)
        stack.catcher.wait_for(1, timeout=30)
        stack.wait_until_quiet()
        end_every_other_connection()
        client.request_link(second.login)
        mails = stack.catcher.wait_for(2, timeout=30)
        assert [mail["To"] for mail in mails] == [first.recovery_address, second.recovery_address]
        all_sent(stack, 2)


def end_every_other_connection() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
