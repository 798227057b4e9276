"""Mails while the broker, a worker or the mail server fails, with the real processes: no request hangs, no mail is lost,
and each is sent once (AVL-01, AVL-05), but for one more copy of the same mail after a killed worker (AVL-04).
"""

import os
import re
import signal
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread

import pytest
import redis
import trustme
from django.db import connection, transaction
from django.utils import timezone
from kombu import Connection

from accounts.models import Account
from activation.models import Charter, LinkRequest
from activation.tasks import answer_waiting_link_requests
from config.celery import app
from devtools.mailcatcher import Envelope, Stage, accept
from devtools.processes import children
from journal.models import JournalEntry
from outbox.dispatch import BATCH
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from outbox.tasks import send_due_messages, send_message
from tests.activation.wizard.client import link_to
from tests.concurrency import together
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account, reloaded
from tests.faults.browser import FIRST_CONNECTION
from tests.faults.machine import PausedServer, SpareWorker, all_sent, browser_of, leases_run_out, queued_mail
from tests.faults.tally import Tally, tally
from tests.mail_delivery import text_of
from tests.stack import NEEDS_STACK, Stack, wait_until

pytestmark = NEEDS_STACK

#: Seconds for a page while the broker or the mail server is in trouble.
PATIENCE = 2.0
ROUNDS, TIMES, BATCH_OF = 30, 8, 6
#: Where a server may stop talking for good, and what is then still unsure.
HANGS: tuple[Stage, ...] = ("connect", "starttls", "mail", "rcpt", "data")
#: What it may say instead of "250", and at which stage.
ANSWERS: dict[str, tuple[Stage, str]] = {
    "busy": ("connect", "421 4.3.2 Too busy"),
    "takes STARTTLS back": ("starttls", "454 4.7.0 TLS not available"),
    "greylists": ("rcpt", "451 4.7.1 Greylisted, come back later"),
    "full": ("data", "452 4.3.1 No space left"),
}
#: What /sante/pret says, and the commands.
TROUBLES_OF_REDIS = (
    ("sans Redis", "", "PING"),
    ("Redis plein", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    ("Redis en lecture seule", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
)
NOT_WANTED = "550 5.1.1 No such mailbox"


def recipients(stack: Stack) -> list[str]:
    return [mail["To"] for mail in stack.catcher.messages]


def beat_ticks(stack: Stack) -> None:
    """Run beat's sweeps; they leave a request of the last five seconds to the worker that was notified."""
    LinkRequest.objects.waiting().update(requested_at=timezone.now() - timedelta(minutes=1))
    stack.send(answer_waiting_link_requests)
    wait_until(lambda: not LinkRequest.objects.waiting().exists(), stack.log("worker"), seconds=30)
    stack.send(send_due_messages)


def test_connections_that_break_are_made_anew(stack):
    """AVL-06: web and worker replace the connections of their pools after a restart of PostgreSQL."""
    people = [pending_account(), pending_account()]
    stack.stop("web")  # one connection is in its new pool: a request has no time to replace four
    stack.start_all()
    for number, person in enumerate(people, 1):
        assert browser_of(stack).ask(FIRST_CONNECTION, {"login": person.login}).status == 302
        stack.catcher.wait_for(number, timeout=30)
        all_sent(stack)
        stack.wait_until_quiet()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    assert recipients(stack) == [person.recovery_address for person in people]


@pytest.mark.parametrize(("trouble", "begins", "ends"), TROUBLES_OF_REDIS)
def test_without_the_broker_pages_answer_and_mails_leave_later(stack, trouble, begins, ends):
    """AVL-01: a link asked for and an activation finished, within two seconds a page; one row and one mail each. AVL-06"""
    person, newcomer = pending_account(), pending_account()
    browser, worker = browser_of(stack), stack.processes["worker"]
    server = redis.Redis.from_url(stack.redis.url)
    server.execute_command(*begins.split()) if begins else stack.redis.kill()
    assert browser.ask("/sante/pret").text == f"prêt ({trouble})\n"
    page = browser.request_link(person.login)
    assert "e-mail" in page.text
    browser.activate(link_to(newcomer), charter=Charter.objects.in_force().version, password=A_GOOD_PASSWORD)
    assert {answer.status for answer in browser.answers} == {200, 302}
    assert max(answer.seconds for answer in browser.answers) < PATIENCE
    assert reloaded(newcomer).activated_at
    assert LinkRequest.objects.waiting().count() == 1
    assert list(Message.objects.values_list("person", "kind")) == [(newcomer.pk, Kind.ACCOUNT_ACTIVATED)]
    assert stack.catcher.messages == []

    if not stack.redis.answers():
        stack.redis.start()
    server.execute_command(*ends.split())
    beat_ticks(stack)
    stack.catcher.wait_for(2, timeout=30)
    all_sent(stack)
    beat_ticks(stack)
    assert set(recipients(stack)) == {person.recovery_address, newcomer.recovery_address}
    assert tally(stack.catcher.messages) == Tally(sent=2, lost=0, doubled=0)
    assert (stack.processes["worker"], worker.poll()) == (worker, None)


def test_a_worker_survives_a_broker_that_dies_while_it_sends(stack):
    """AVL-06: and declares the lost queues again, so that a link that is asked for then is mailed without a sweep."""
    stack.catcher.answer = halt = PausedServer("data")
    worker, first = stack.processes["worker"], queued_mail()
    stack.send(send_due_messages)
    assert halt.reached.wait(20)
    stack.redis.kill()
    halt.go_on.set()
    wait_until(Message.objects.filter(status=Status.SENT).exists, stack.log("worker"), seconds=30)
    browser_of(stack).request_link("personne@univ-exemple.fr")
    stack.redis.start()
    wait_until(lambda: stack.worker_listens() or worker.poll() is not None, stack.log("worker"), seconds=60)
    assert worker.poll() is None
    second = pending_account()
    browser_of(stack).request_link(second.login)
    [_first, mail] = stack.catcher.wait_for(2, timeout=30)
    assert (mail["To"], stack.url in text_of(mail)) == (second.recovery_address, True)
    all_sent(stack)
    assert recipients(stack) == [first.address, second.recovery_address]
    assert tally(stack.catcher.messages) == Tally(sent=2, lost=0, doubled=0)


@pytest.mark.parametrize("trouble", ["broker down", "mail refused", "mail server hangs"])
def test_trouble_behind_the_page_is_not_seen_on_it(stack, trouble):
    """ENU-04: the same page within two seconds for known and unknown logins."""
    released, browser = Event(), browser_of(stack)
    usual = shown(browser.request_link("personne@univ-exemple.fr").text)
    if trouble == "broker down":
        stack.redis.kill()
    elif trouble == "mail refused":
        stack.catcher.answer = lambda stage, envelope: "550 5.1.1 No"
    else:
        stack.catcher.answer = lambda stage, envelope: str(released.wait(30)) and accept(stage, envelope)
    for login in (pending_account().login, active_account().login, "personne2@univ-exemple.fr"):
        page = browser.request_link(login)
        assert shown(page.text) == usual, login
        assert page.seconds < PATIENCE, login
    released.set()


def shown(page: str) -> str:
    """The page without logins, tokens and ids."""
    return re.sub(r"[\w.]+@univ-exemple\.fr|value=\"\w{64}\"|[0-9a-f]{32}", "…", page)


class ThrottledServer:
    """A mail server that takes five mails a second until `unthrottled` is set."""

    def __init__(self) -> None:
        self.unthrottled, self._turn = Event(), Lock()

    def __call__(self, stage: Stage, envelope: Envelope) -> str:
        if stage == "data" and not self.unthrottled.is_set():
            with self._turn:
                self.unthrottled.wait(0.2)
        return accept(stage, envelope)


def test_a_requested_link_does_not_wait_behind_thousands_of_invitations(stack):
    """AVL-09: within 20 s at five mails a second; a worker that finished its batches first would need twice as long."""
    stack.catcher.answer = pace = ThrottledServer()
    # More than both processes of the worker take at once.
    invitations = [queued_mail(Priority.BULK) for _ in range(3 * BATCH)]
    for _ in range(3):  # as many sweeps as beat has ordered in the first minute
        stack.send(send_due_messages)
    stack.catcher.wait_for(5, timeout=20)
    person = pending_account()
    browser_of(stack).request_link(person.login)
    wait_until(lambda: person.recovery_address in recipients(stack), stack.log("worker"), seconds=20)
    pace.unthrottled.set()
    all_sent(stack)

    places = {message.address: place for place, message in enumerate(invitations)}
    arrived = [places[address] for address in recipients(stack) if address in places]
    # Two processes send a batch each: the order holds between batches.
    assert max(abs(place - position) for position, place in enumerate(arrived)) < 2 * BATCH
    assert tally(stack.catcher.messages) == Tally(sent=len(invitations) + 1, lost=0, doubled=0)


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (open, (str(self.trace), "w"))


def test_a_pickled_message_is_thrown_away_unread_and_the_worker_goes_on(stack, tmp_path):
    """SUP-03: write access to the broker is not enough to run code in a worker, which takes JSON and nothing else."""
    worker, trace, mail = stack.processes["worker"], tmp_path / "trace", queued_mail()
    with Connection(stack.redis.url) as broker:
        app.send_task(send_due_messages.name, [Payload(trace)], serializer="pickle", connection=broker)
    wait_until(lambda: "ContentDisallowed" in stack.log("worker").read_text(errors="replace"), stack.log("worker"))
    stack.send(send_due_messages)
    stack.catcher.wait_for(1)
    assert recipients(stack) == [mail.address]
    assert not trace.exists()
    assert worker.poll() is None


def until_nothing_waits(stack: Stack) -> None:
    wait_until(lambda: tasks_waiting(stack) == 0, stack.log("worker"), seconds=30)
    stack.wait_until_quiet()


def tasks_waiting(stack: Stack) -> int:
    with redis.Redis.from_url(stack.redis.url) as server:
        return sum(server.llen(queue) for queue in ("urgent", "bulk"))


def test_a_row_sent_by_eight_callers_at_one_instant_is_sent_once(stack):
    """AVL-05: thirty rounds at a barrier; then each task delivered eight times by the broker."""
    rows = [queued_mail().pk for _ in range(ROUNDS)]
    for row in rows:
        together(*[partial(send_message, row)] * TIMES)
    delivered_again = [queued_mail().pk for _ in range(5)]
    for row in [*delivered_again, *rows[:5]] * TIMES:
        stack.send(send_message, row)
    all_sent(stack)
    until_nothing_waits(stack)
    assert set(Message.objects.values_list("status", "attempts")) == {(Status.SENT, 1)}
    assert tally(stack.catcher.messages) == Tally(sent=ROUNDS + 5, lost=0, doubled=0)


def test_two_beats_and_a_killed_web_process_give_one_mail_each(stack):
    """AVL-02, AVL-05, AVL-07: killed between its commit and its call to the broker; one beat is 90 seconds late."""
    person, browser = pending_account(), browser_of(stack)
    asking = Thread(target=browser.request_link, args=[person.login])
    with redis.Redis.from_url(stack.redis.url) as broker:
        # Redis executes no write; it drops those of clients that disconnect meanwhile.
        broker.execute_command("CLIENT", "PAUSE", "30000", "WRITE")
        asking.start()
        wait_until(LinkRequest.objects.waiting().exists, stack.log("web"), seconds=20)
        for child in children(stack.processes["web"].pid):
            os.kill(child, signal.SIGKILL)
        wait_until(lambda: browser.answers, stack.log("web"), seconds=20)
        broker.execute_command("CLIENT", "UNPAUSE")
    asking.join(30)
    assert browser.answers[0].status == 0
    assert tasks_waiting(stack) == 0
    assert stack.catcher.messages == []
    for _ in range(20):
        queued_mail()
    LinkRequest.objects.update(requested_at=timezone.now() - timedelta(minutes=1))
    assert str(app.timezone) == "Europe/Paris", "jobs of the night run in the night"
    stack.start_late_beat()
    stack.catcher.wait_for(21, timeout=60)
    stack.start_beat()
    for beat in ("late-beat", "beat"):
        log = stack.log(beat)
        wait_until(lambda log=log: log.read_text().count(send_due_messages.name) >= 3, log, seconds=30)
        stack.stop(beat)
    until_nothing_waits(stack)
    wait_until(stack.web_is_ready, stack.log("web"), seconds=30)

    assert person.recovery_address in {mail["To"] for mail in stack.catcher.messages}
    assert LinkRequest.objects.count() == 1
    assert tally(stack.catcher.messages) == Tally(sent=21, lost=0, doubled=0)


def test_a_worker_killed_at_any_point_sends_each_mail_and_one_copy_more_at_most(stack, spare):
    """AVL-04: eight processes end at once, each with a mail at another point; the first worker takes over."""
    halts = {
        "before the greeting": PausedServer("connect"),
        "after RCPT": PausedServer("rcpt"),
        "after DATA, and the server lost the mail": PausedServer("data", then="451 4.3.0 Lost"),
        "after DATA, and the server kept the mail": PausedServer("kept"),
        "after 250": PausedServer("data"),
    }
    rows, batch = {point: queued_mail() for point in halts}, [queued_mail(Priority.BULK) for _ in range(BATCH_OF)]
    people, entries = list(Account.objects.order_by("pk").values()), JournalEntry.objects.count()
    for point, halt in halts.items():
        spare.halts(halt, send_message, rows[point].pk)
    in_batch = spare.halts(PausedServer("kept", nth=3), send_due_messages)

    with transaction.atomic(), connection.cursor() as cursor:
        # The worker has its 250 and cannot write it down.
        Message.objects.select_for_update().get(pk=rows["after 250"].pk)
        halts["after 250"].go_on.set()
        spare.server.wait_for(5)  # three of the batch, and two that the server kept
        waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        wait_until(lambda: cursor.execute(f"SELECT pid {waiting}").fetchone(), stack.log("spare"), seconds=20)
        stack.kill("spare")
        # PostgreSQL would go on with the statement of a dead client once it gets its lock.
        cursor.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
    for halt in (*halts.values(), in_batch):
        halt.go_on.set()
    left = Counter(Message.objects.values_list("status", flat=True))
    leases_run_out(stack)
    all_sent(stack)

    assert left == {Status.SENT: 2, Status.SENDING: len(halts) + BATCH_OF - 2}
    mails, copies = [*spare.server.messages, *stack.catcher.messages], defaultdict(list)
    for mail in mails:
        copies[mail["Message-ID"].lstrip("<").partition(".")[0]].append((mail["Message-ID"], mail["To"], text_of(mail)))
    assert [len(copies[row.reference.hex]) for row in rows.values()] == [1, 1, 1, 2, 2]
    assert [len(copies[row.reference.hex]) for row in batch] == [1, 1, 2, 1, 1, 1]
    assert all(len(set(alike)) == 1 for alike in copies.values())
    assert tally(mails) == Tally(sent=11, lost=0, doubled=3)
    assert (list(Account.objects.order_by("pk").values()), JournalEntry.objects.count()) == (people, entries)


def tried(spare: SpareWorker, row: Message) -> None:
    def given_back() -> bool:
        row.refresh_from_db()
        return row.attempts == 1 and row.leased_until is None

    wait_until(given_back, spare.stack.log("spare"), seconds=30)


def sent_in_vain(spare: SpareWorker) -> Message:
    row = queued_mail()
    spare.give(send_message, row.pk)
    tried(spare, row)
    return row


def test_nothing_leaves_in_the_clear_and_every_mail_leaves_once_the_trouble_is_over(stack, spare):
    """EML-05, AVL-03: refused, hanging, greylisted, badly certified, without STARTTLS; each is retried and warned of."""
    host, certificate, log = spare.server.host, spare.server.tls, stack.log("spare")
    rows = {f"hangs at {stage}": queued_mail() for stage in HANGS}
    for stage, row in zip(HANGS, rows.values(), strict=True):
        spare.halts(PausedServer(stage, then="421 4.4.2 Too late"), send_message, row.pk)

    # While those wait for their ten seconds to be over, the others of the eight processes meet the rest.
    spare.server.answer, spare.server.tls = accept, None
    rows["offers no STARTTLS"] = sent_in_vain(spare)
    expired = spare.authority.issue_cert(host, not_after=datetime(2020, 1, 1, tzinfo=UTC))
    for name, wrong in {
        "certificate of an unknown authority": trustme.CA().issue_cert(host),
        "certificate for another host": spare.authority.issue_cert("smtp.evil.example"),
        "certificate that has expired": expired,
    }.items():
        spare.present(wrong)
        rows[name] = sent_in_vain(spare)
    spare.server.tls = certificate
    for name, (stage, said) in {**ANSWERS, "knows no such mailbox": ("rcpt", NOT_WANTED)}.items():
        spare.server.answer = PausedServer(stage, then=said)
        spare.server.answer.go_on.set()
        rows[name] = sent_in_vain(spare)
    not_wanted = rows.pop("knows no such mailbox")
    for name, row in rows.items():
        tried(spare, row)
        assert not name.startswith("hangs") or "timed out" in row.answer, name
    rows["goes away with the mail in its hands"] = row = queued_mail()
    spare.halts(PausedServer("data"), send_message, row.pk)
    spare.server.stop()
    try:
        tried(spare, row)
        rows["refuses connections"] = sent_in_vain(spare)
    finally:
        spare.server.start()

    for name, row in rows.items():
        warning = rf'"(WARNING|ERROR)".*"Mail {row.pk} '
        wait_until(lambda warning=warning: re.search(warning, log.read_text()), log, seconds=5)
        assert row.status == Status.QUEUED, name
        assert row.answer, name
        assert timedelta(0) < row.due_at - timezone.now() < timedelta(seconds=36), name
    assert (not_wanted.status, not_wanted.answer) == (Status.REFUSED, NOT_WANTED)
    assert spare.server.messages == []

    spare.server.answer = accept
    Message.objects.filter(status=Status.QUEUED).update(due_at=timezone.now())
    for _ in range(10):  # a batch ends after a second
        spare.give(send_due_messages)
    spare.server.wait_for(len(rows), timeout=30)
    sent = Message.objects.filter(status=Status.SENT)
    wait_until(lambda: sent.count() == len(rows), log, seconds=10)
    assert set(sent.values_list("attempts", flat=True)) == {2}
    assert all(mail.envelope.encrypted for mail in spare.server.messages)
    assert stack.catcher.messages == []
    assert tally(spare.server.messages) == Tally(sent=len(rows), lost=0, doubled=0)
