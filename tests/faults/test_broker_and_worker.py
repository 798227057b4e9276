"""The portal while its broker or its worker fails, with the real processes: no request hangs, no mail is lost."""

import http.cookiejar
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import timedelta
from threading import Event

import pytest
from django.db import connection, transaction
from django.utils import timezone

from activation.models import LinkRequest
from activation.tasks import answer_waiting_link_requests
from local.mailcatcher import Envelope, Stage, accept
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from outbox.services import queue
from outbox.tasks import send_due_messages
from tests.people import active_person, pending_person
from tests.postman import text_of
from tests.stack import NEEDS_STACK, Stack, wait_until

pytestmark = NEEDS_STACK

FIRST_CONNECTION = "/premiere-connexion/"
PATIENCE = 2.0


class Visitor:
    """A browser without its window."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def get(self, path: str) -> str:
        with self.opener.open(self.stack.url + path, timeout=20) as response:
            return response.read().decode()

    def post(self, path: str, **answers: str) -> str:
        """Fill in the form of the page and send it; the page one lands on."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path))
        assert token
        form = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], **answers}).encode()
        request = urllib.request.Request(self.stack.url + path, form, {"Referer": self.stack.url + path})
        with self.opener.open(request, timeout=20) as response:
            return response.read().decode()

    def asks_for_a_link(self, login: str) -> tuple[str, float]:
        """The page without what was typed and what changes each time, and the seconds its form took to be answered."""
        self.get(FIRST_CONNECTION)
        began = time.monotonic()
        page = self.post(FIRST_CONNECTION, login=login)
        seconds = time.monotonic() - began
        for changing in (re.escape(login), r'value="\w{64}"', r"[0-9a-f]{32}"):
            page = re.sub(changing, "…", page)
        return page, seconds


@pytest.fixture
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack)


@pytest.fixture
def broker_given_back(stack: Stack):
    """Whatever the test does to Redis, the next one finds it there."""
    yield
    if not stack.redis.answers():
        stack.redis.start()


@pytest.fixture
def without_broker(stack: Stack, broker_given_back: None) -> None:
    """Redis is down; it comes back with `stack.redis.start()`."""
    stack.redis.kill()


def beat_ticks(stack: Stack) -> None:
    """What beat does, without its wait; requests are left to the worker that was woken for them for five seconds."""
    LinkRequest.objects.waiting().update(requested_at=timezone.now() - timedelta(minutes=1))
    stack.send(answer_waiting_link_requests)
    wait_until(lambda: not LinkRequest.objects.waiting().exists(), stack.log("worker"), seconds=30)
    stack.send(send_due_messages)


def all_sent(stack: Stack, count: int) -> None:
    wait_until(lambda: Message.objects.filter(status=Status.SENT).count() == count, stack.log("worker"), seconds=30)


class TestBroker:
    def test_a_person_gets_a_link_without_waiting_for_a_sweep(self, stack, visitor):
        """The way it is when all is well: the web process wakes the worker."""
        person = pending_person()
        visitor.asks_for_a_link(person.login)
        [mail] = stack.catcher.wait_for(1, timeout=15)
        assert mail["To"] == person.recovery_address
        assert stack.url in text_of(mail)

    def test_without_the_broker_the_page_answers_and_the_mail_leaves_later(self, stack, visitor, without_broker):
        """AVL-01: within two seconds, one row; once Redis is back exactly one mail."""
        person = pending_person()
        page, seconds = visitor.asks_for_a_link(person.login)
        assert "e-mail" in page
        assert seconds < PATIENCE
        assert LinkRequest.objects.waiting().count() == 1
        assert stack.catcher.messages == []
        stack.redis.start()
        beat_ticks(stack)
        [mail] = stack.catcher.wait_for(1, timeout=30)
        all_sent(stack, 1)
        beat_ticks(stack)
        assert mail["To"] == person.recovery_address
        assert Message.objects.count() == len(stack.catcher.messages) == 1

    def test_after_the_broker_has_come_back_empty_people_are_served_at_once(self, stack, visitor, without_broker):
        """AVL-06: the queues that Redis forgot are declared again, no sweep is needed."""
        visitor.asks_for_a_link("nobody@univ-exemple.fr")
        stack.redis.start()
        wait_until(lambda: stack.redis.answers() and broker_has_a_reader(stack), stack.log("worker"), seconds=60)
        person = pending_person()
        visitor.asks_for_a_link(person.login)
        [mail] = stack.catcher.wait_for(1, timeout=30)
        assert mail["To"] == person.recovery_address

    def test_a_worker_survives_a_broker_that_dies_while_it_sends(self, stack, broker_given_back):
        """AVL-06: the process goes on, the mail in its hands arrives once, the next one too."""
        received, go_on = Event(), Event()

        def waiting_for_us(stage: Stage, envelope: Envelope) -> str:
            if stage == "data":
                received.set()
                go_on.wait(20)
            return accept(stage, envelope)

        stack.catcher.answer = waiting_for_us
        first, second = pending_person(), pending_person()
        worker = stack.processes["worker"]
        queue(kind=Kind.ACTIVATION, person=first, address=first.recovery_address, language="fr")
        stack.send(send_due_messages)
        assert received.wait(20)
        stack.redis.kill()
        time.sleep(1)
        go_on.set()
        all_sent(stack, 1)
        stack.redis.start()
        queue(kind=Kind.ACTIVATION, person=second, address=second.recovery_address, language="fr")
        wait_until(lambda: broker_has_a_reader(stack) or worker.poll() is not None, stack.log("worker"), seconds=60)
        assert worker.poll() is None
        stack.send(send_due_messages)
        all_sent(stack, 2)
        assert [mail["To"] for mail in stack.catcher.messages] == [first.recovery_address, second.recovery_address]

    @pytest.mark.parametrize("trouble", ["broker down", "mail refused", "mail server hangs"])
    def test_trouble_behind_the_page_is_not_seen_on_it(self, stack, visitor, trouble):
        """ENU-04: the same page within two seconds, for people the portal knows and people it does not."""
        known, active = pending_person(), active_person()
        pages_without_trouble = {visitor.asks_for_a_link("nobody@univ-exemple.fr")[0]}
        released = Event()
        if trouble == "broker down":
            stack.redis.kill()
        if trouble == "mail refused":
            stack.catcher.answer = lambda stage, envelope: "550 5.1.1 No"
        if trouble == "mail server hangs":
            stack.catcher.answer = lambda stage, envelope: str(released.wait(30)) and accept(stage, envelope)
        answers = [visitor.asks_for_a_link(login) for login in (known.login, active.login, "nobody2@univ-exemple.fr")]
        released.set()
        if trouble == "broker down":
            stack.redis.start()
        assert {page for page, _ in answers} == pages_without_trouble
        assert all(seconds < PATIENCE for _, seconds in answers), answers

    def test_a_mail_that_nobody_was_woken_for_is_swept_up(self, stack):
        """AVL-02: a web process killed between its commit and its call to the broker leaves such a row."""
        person = pending_person()
        queue(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language="fr")
        stack.start_beat()
        [mail] = stack.catcher.wait_for(1, timeout=30)
        assert mail["To"] == person.recovery_address

    def test_a_mass_of_mails_is_sent_batch_by_batch(self, stack):
        """AVL-09: one tick is enough; each batch calls for the next one."""
        for _ in range(120):
            person = pending_person()
            queue(
                kind=Kind.ACTIVATION,
                person=person,
                address=person.recovery_address,
                language="fr",
                priority=Priority.BULK,
            )
        stack.send(send_due_messages)
        mails = stack.catcher.wait_for(120, timeout=60)
        assert len({mail["To"] for mail in mails}) == len(mails) == 120


class TestWorker:
    def test_a_worker_killed_while_the_server_reads_the_mail_sends_it_again(self, stack):
        """AVL-04: killed during DATA; after its lease another worker sends the same mail, once."""
        received = Event()

        def holding(stage: Stage, envelope: Envelope) -> str:
            if stage == "data":
                received.set()
                time.sleep(2)
                return "451 4.3.0 too late: the client is gone"
            return accept(stage, envelope)

        stack.catcher.answer = holding
        message = self.asked_for(stack)
        assert received.wait(20)
        stack.kill("worker")
        message.refresh_from_db()
        first_id = message.message_id
        assert message.status == Status.SENDING
        stack.catcher.answer = accept
        self.another_worker_takes_over(stack)
        [mail] = stack.catcher.wait_for(1, timeout=30)
        all_sent(stack, 1)
        assert mail["Message-ID"] == first_id
        assert len(stack.catcher.messages) == 1

    def test_a_worker_killed_after_the_server_took_the_mail_makes_one_recognisable_copy(self, stack):
        """AVL-04, D3: the 250 never reaches the database; at most one extra, with the same name and link."""
        received, go_on = Event(), Event()

        def waiting_for_us(stage: Stage, envelope: Envelope) -> str:
            if stage == "data":
                received.set()
                go_on.wait(20)
            return accept(stage, envelope)

        stack.catcher.answer = waiting_for_us
        message = self.asked_for(stack)
        assert received.wait(20)
        with transaction.atomic():
            # The worker has its 250 and cannot write it down.
            Message.objects.select_for_update().get(pk=message.pk)
            go_on.set()
            stack.catcher.wait_for(1, timeout=10)
            stack.kill("worker")
            end_every_other_connection()
        stack.catcher.answer = accept
        self.another_worker_takes_over(stack)
        one, other = stack.catcher.wait_for(2, timeout=30)
        all_sent(stack, 1)
        assert one["Message-ID"] == other["Message-ID"]
        assert text_of(one) == text_of(other)
        assert len(stack.catcher.messages) == 2

    def test_a_worker_that_is_told_to_stop_finishes_its_mail(self, stack):
        """A deployment: nothing is sent twice."""
        received = Event()

        def slow_to_say_yes(stage: Stage, envelope: Envelope) -> str:
            if stage == "data":
                received.set()
                time.sleep(1)
            return accept(stage, envelope)

        stack.catcher.answer = slow_to_say_yes
        message = self.asked_for(stack)
        assert received.wait(20)
        stack.stop("worker")
        message.refresh_from_db()
        assert message.status == Status.SENT
        assert len(stack.catcher.messages) == 1

    def asked_for(self, stack: Stack) -> Message:
        person = pending_person()
        message = queue(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language="fr")
        stack.send(send_due_messages)
        return message

    def another_worker_takes_over(self, stack: Stack) -> None:
        """Five minutes later, without the wait."""
        stack.restart_worker()
        stack.send(send_due_messages)
        Message.objects.update(leased_until=timezone.now())
        stack.send(send_due_messages)


class TestDatabase:
    def test_connections_that_break_are_made_anew(self, stack, visitor):
        """AVL-06: web and worker hold pools of connections; after a restart of PostgreSQL nobody has to help them."""
        first, second = pending_person(), pending_person()
        visitor.asks_for_a_link(first.login)
        stack.catcher.wait_for(1, timeout=30)
        stack.wait_until_quiet()
        end_every_other_connection()
        visitor.asks_for_a_link(second.login)
        mails = stack.catcher.wait_for(2, timeout=30)
        assert [mail["To"] for mail in mails] == [first.recovery_address, second.recovery_address]
        all_sent(stack, 2)


def end_every_other_connection() -> None:
    """As a restart does. Also of the dead: PostgreSQL would go on with their statement once it gets its lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def broker_has_a_reader(stack: Stack) -> bool:
    """Whether the worker waits for tasks again."""
    import redis

    with redis.Redis.from_url(stack.redis.url) as client:
        return any(connected["cmd"] == "brpop" for connected in client.client_list())
