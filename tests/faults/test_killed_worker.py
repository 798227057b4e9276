"""`kill -9` of the worker with its children in mid-send (AVL-04): nothing is lost, one more copy at most, the same mail."""

from collections import Counter, defaultdict
from threading import Timer

from django.db import connection, transaction

from accounts.models import Account
from journal.models import JournalEntry
from outbox.enums import Status
from outbox.models import Message
from outbox.tasks import send_due_messages, send_message
from tests.faults.spare_worker import PausedServer, all_sent, leases_run_out, queued_mail, queued_mails
from tests.faults.tally import Tally
from tests.mail_delivery import text_of
from tests.stack import NEEDS_STACK, wait_until

pytestmark = NEEDS_STACK

BATCH_OF = 6


def test_a_worker_killed_at_any_point_sends_each_mail_and_one_copy_more_at_most(stack, spare, tally):
    """AVL-04: eight processes end at once, each with a mail at another point; the first worker takes over."""
    halts = {
        "before the greeting": PausedServer("connect"),
        "after RCPT": PausedServer("rcpt"),
        "after DATA, and the server lost the mail": PausedServer("data", then="451 4.3.0 Lost"),
        "after DATA, and the server kept the mail": PausedServer("kept"),
        "after 250": PausedServer("data"),
    }
    rows, batch = {point: queued_mail() for point in halts}, queued_mails(BATCH_OF)
    people = state_of_people()
    for point, halt in halts.items():
        spare.halts(halt, send_message, rows[point].pk)
    in_batch = spare.halts(PausedServer("kept", nth=3), send_due_messages)

    with transaction.atomic():
        # The worker has its 250 and cannot write it down.
        Message.objects.select_for_update().get(pk=rows["after 250"].pk)
        halts["after 250"].go_on.set()
        spare.server.wait_for(5)  # three of the batch, and two that the server kept
        wait_until(lambda: waiting_for_a_lock() == 1, stack.log("spare"), seconds=20)
        stack.kill("spare")
        end_those_who_wait_for_a_lock()
    for halt in (*halts.values(), in_batch):
        halt.go_on.set()
    left = Counter(Message.objects.values_list("status", flat=True))
    leases_run_out(stack)
    all_sent(stack)

    assert left == {Status.SENT: 2, Status.SENDING: len(halts) + BATCH_OF - 2}
    mails = [*spare.server.messages, *stack.catcher.messages]
    copies = defaultdict(list)
    for mail in mails:
        copies[mail["Message-ID"].lstrip("<").partition(".")[0]].append(mail)
    numbers = {point: len(copies[row.reference.hex]) for point, row in rows.items()}
    assert list(numbers.values()) == [1, 1, 1, 2, 2], numbers
    assert [len(copies[row.reference.hex]) for row in batch] == [1, 1, 2, 1, 1, 1]
    for first, *others in copies.values():
        for other in others:
            assert (other["Message-ID"], other["To"]) == (first["Message-ID"], first["To"])
            assert text_of(other) == text_of(first)
    assert tally(mails) == Tally(sent=11, lost=0, doubled=3)
    assert state_of_people() == people


def test_a_terminated_worker_finishes_its_mail(stack, spare, tally):
    """A deployment: nothing is sent twice."""
    message = queued_mail()
    halt = spare.halts(PausedServer("data"), send_message, message.pk)
    Timer(0.5, halt.go_on.set).start()
    stack.stop("spare")
    message.refresh_from_db()
    assert message.status == Status.SENT
    leases_run_out(stack)
    assert tally(spare.server.messages) == Tally(sent=1, lost=0, doubled=0)


def state_of_people() -> tuple[list[dict[str, object]], int]:
    return list(Account.objects.order_by("pk").values()), JournalEntry.objects.count()


def waiting_for_a_lock() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


def end_those_who_wait_for_a_lock() -> None:
    """PostgreSQL would go on with the statement of a dead client once it gets its lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
