"""From a row of the outbox to a mail on a real SMTP server, through whatever that server answers."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from django.conf import settings as portal
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Account
from devtools.mailcatcher import CaughtMessage, Envelope, MailCatcher, Stage, accept
from mailrouting.services import choose_redirection
from outbox import dispatch, status
from outbox.dispatch import send, send_due
from outbox.enums import Priority, Status
from outbox.models import Message
from outbox.status import delay_before_retry
from outbox.tasks import send_due_messages, send_message
from outbox.transport import Accepted, Postponed, Refused
from tests.concurrency import together
from tests.factories import active_account, pending_account
from tests.mail_delivery import html_of, link_in, text_of
from tests.outbox.messages import invitation, seen_again

pytestmark = pytest.mark.django_db

MORNING = datetime(2026, 6, 10, 8, tzinfo=UTC)


def at(moment: datetime) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def due_now(message: Message) -> Message:
    Message.objects.filter(pk=message.pk).update(due_at=timezone.now())
    return message


def refusing(said: str, *, at_stage: Stage):
    return lambda stage, envelope: said if stage == at_stage else accept(stage, envelope)


def recipients(mail_server: MailCatcher) -> list[str]:
    return [mail["To"] for mail in mail_server.messages]


def statuses(*messages: Message) -> list[str]:
    return [seen_again(message).status for message in messages]


class TestOneMail:
    def test_it_goes_to_the_address_on_the_row_with_its_headers_and_the_link_in_both_parts(self, mail_server):
        """EML-01"""
        message = invitation(pending_account(language="en"))
        send(message_id=message.pk)
        [mail] = mail_server.messages
        assert mail.envelope.recipients == [message.address]
        assert link_in(mail) in html_of(mail)
        sent = seen_again(message)
        assert (sent.status, sent.attempts, sent.leased_until) == (Status.SENT, 1, None)
        assert None not in (sent.sent_at, sent.deadline)
        wanted = {
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "Content-Language": "en",
            "Reply-To": portal.SUPPORT_ADDRESS,
            "To": message.address,
            "MIME-Version": "1.0",
        }
        assert {name: mail[name] for name in wanted} == wanted
        assert len(mail.get_all("To")) == len(mail.get_all("From")) == 1
        assert mail["From"].addresses[0].domain == portal.UNIVERSITY_DOMAINS[0]
        assert re.fullmatch(rf"<[0-9a-f]{{32}}\.\d{{8}}@{re.escape(portal.MESSAGE_ID_DOMAIN)}>", mail["Message-ID"])
        assert abs(mail["Date"].datetime.replace(tzinfo=UTC) - timezone.now()) < timedelta(minutes=1)
        forbidden = {"Cc", "Bcc", "Precedence", "List-Unsubscribe", "Disposition-Notification-To", "Return-Receipt-To"}
        assert not forbidden & set(mail.keys())

    def test_a_finished_or_purged_row_is_not_sent(self, mail_server):
        """AVL-05"""
        for final in [Status.SENT, Status.REFUSED, Status.BOUNCED, Status.CANCELLED, Status.GIVEN_UP]:
            message = invitation()
            Message.objects.update(status=final)
            send(message_id=message.pk)
            send_due()
            assert seen_again(message).attempts == 0
        send(message_id=4_000_000)
        assert mail_server.messages == []

    def test_a_mail_that_has_become_pointless_is_cancelled(self, mail_server):
        """EML-04, TOK-07: activated, corrected or disputed meanwhile; another forwarding address was chosen."""
        activated, corrected, disputed = (invitation() for _ in range(3))
        now = timezone.now()
        Account.objects.filter(pk=activated.person_id).update(activated_at=now, charter_accepted_at=now)
        Account.objects.filter(pk=corrected.person_id).update(recovery_address="autre@exemple.net")
        Account.objects.filter(pk=disputed.person_id).update(recovery_address_disputed_at=now)
        person = active_account()
        for target in ("un@exemple.org", "deux@exemple.org"):
            choose_redirection(account=person, target=target, keep_copy=True)
        send_due()
        assert recipients(mail_server) == ["deux@exemple.org"]
        assert statuses(activated, corrected, disputed) == [Status.CANCELLED] * 3

    def test_a_rollback_leaves_no_row_no_mail_and_no_task(self, mail_server, django_capture_on_commit_callbacks):
        """AVL-02"""
        person = pending_account()
        with django_capture_on_commit_callbacks() as tasks, suppress(InterruptedError), transaction.atomic():
            invitation(person)
            raise InterruptedError
        send_due()
        assert (tasks, Message.objects.count(), mail_server.messages) == ([], 0, [])


def sent_twice(mail_server: MailCatcher, first: datetime, second: datetime) -> list[CaughtMessage]:
    """As a worker does that was killed between the server's 250 and its own commit."""
    mail_server.messages.clear()
    with at(first):
        message = invitation()
        send(message_id=message.pk)
        message = seen_again(message)
        message.lease(timezone.now(), dispatch.LEASE)
        message.save()
    with at(second):
        send_due()
    return mail_server.messages


def test_copies_are_the_same_mail_within_one_paris_day_and_later_ones_have_a_living_link(mail_server):
    """AVL-04: the next day's copy has a link and a deadline of its own."""
    one, other = sent_twice(mail_server, MORNING, datetime(2026, 6, 10, 21, 59, 59, tzinfo=UTC))
    for part in (text_of, html_of, lambda mail: (mail["Message-ID"], mail["Subject"])):
        assert part(one) == part(other)
    midnight = datetime(2026, 6, 10, 22, tzinfo=UTC)
    one, other = sent_twice(mail_server, midnight - timedelta(minutes=10), midnight)
    assert one["Message-ID"] != other["Message-ID"]
    assert link_in(one) != link_in(other)
    assert "11\u00a0juin 2026" in text_of(one)
    assert "12\u00a0juin 2026" in text_of(other)
    assert Message.objects.latest("pk").deadline == datetime(2026, 6, 12, 21, 59, 59, tzinfo=UTC)


class TestRefusals:
    def test_a_permanent_refusal_is_final_and_a_temporary_one_is_retried_later(self, mail_server):
        """AVL-03: 5xx, whose answer the row keeps; 4xx, and 5xx that are about us and not about this mail."""
        for said, stage, is_final in [
            ("550 5.1.1 No such user", "rcpt", True),
            ("554 5.7.1 Message rejected", "data", True),
            ("552 5.2.2 Mailbox full", "rcpt", True),
            ("421 4.3.2 Service shutting down", "connect", False),
            ("421 4.7.0 Too many mails", "mail", False),
            ("450 4.2.1 Greylisted", "rcpt", False),
            ("451 4.7.1 Come back later", "rcpt", False),
            ("451 4.3.0 Error", "data", False),
            ("554 5.7.1 <x@exemple.net>: Relay access denied", "rcpt", False),
            ("550 5.7.1 Client host rejected", "rcpt", False),
            ("530 5.7.0 Authentication required", "mail", False),
            ("554 5.5.4 No SMTP service here", "connect", False),
        ]:
            mail_server.messages.clear()
            mail_server.answer = refusing(said, at_stage=stage)
            message = invitation()
            send(message_id=message.pk)
            mail_server.answer = accept
            refused = seen_again(message)
            assert (refused.status, refused.leased_until) == (Status.REFUSED if is_final else Status.QUEUED, None)
            assert refused.answer == said if is_final else said[:3] in refused.answer
            if not is_final:
                assert timedelta(seconds=20) < refused.due_at - timezone.now() < timedelta(seconds=40)
            send(message_id=message.pk)
            assert mail_server.messages == [], "not before its time, however often a task asks for it"
            send(message_id=due_now(message).pk)
            assert (len(mail_server.messages), seen_again(message).attempts) == ((0, 1) if is_final else (1, 2)), said

    def test_a_server_that_hangs_is_tried_later(self, mail_server, settings):
        settings.EMAIL_TIMEOUT = 0.3
        hung = Barrier(2)
        mail_server.answer = lambda stage, envelope: str(hung.wait(20)) if stage == "data" else accept(stage, envelope)
        message = invitation()
        send(message_id=message.pk)
        hung.wait(20)
        waiting = seen_again(message)
        assert waiting.status == Status.QUEUED
        assert re.search("imeout|timed out", waiting.answer)

    def test_delays_double_up_to_an_hour_with_jitter(self):
        """AVL-03: even after days of attempts."""
        for attempts, seconds in [(1, 30), (2, 60), (3, 120), (5, 480), (7, 1920), (8, 3600), (9, 3600), (400, 3600)]:
            delays = {delay_before_retry(attempts).total_seconds() for _ in range(20)}
            assert all(0.8 * seconds <= delay <= 1.2 * seconds for delay in delays), attempts
            assert len(delays) > 10

    def test_a_mail_is_given_up_after_four_days_of_attempts(self, mail_server):
        """AVL-03: the row keeps the last answer. A mail that only waited for days gets its attempts."""
        mail_server.answer = refusing("451 4.7.1 Come back later", at_stage="rcpt")
        with at(MORNING) as clock:
            message = invitation()
            while seen_again(message).status == Status.QUEUED:
                clock.move_to(seen_again(message).due_at)
                send_due()
            lasted = timezone.now() - message.created_at
        given_up = seen_again(message)
        assert (given_up.status, given_up.answer[:3]) == (Status.GIVEN_UP, "451")
        assert timedelta(days=4) < lasted < timedelta(days=4, hours=2)
        assert given_up.attempts < 150
        message = invitation()
        Message.objects.filter(pk=message.pk).update(created_at=timezone.now() - timedelta(days=5))
        send(message_id=message.pk)
        assert statuses(message) == [Status.QUEUED]
        mail_server.answer = accept
        send(message_id=due_now(message).pk)
        assert statuses(message) == [Status.SENT]

    def test_a_mail_that_fails_does_not_hold_the_others(self, mail_server):
        """AVL-03: one that cannot be built, one that is refused, one that is postponed."""
        poison = Message.objects.create(kind="nonsense", address="x@exemple.net")
        refused, postponed, good = invitation(), invitation(), invitation()
        answers = {refused.address: "550 5.1.1 Unknown", postponed.address: "451 4.7.1 Later"}
        mail_server.answer = lambda stage, envelope: (
            answers.get(envelope.recipients[-1], "250 OK") if stage == "rcpt" else accept(stage, envelope)
        )
        send_due()
        assert recipients(mail_server) == [good.address]
        found = [Status.QUEUED, Status.REFUSED, Status.QUEUED, Status.SENT]
        assert statuses(poison, refused, postponed, good) == found
        assert seen_again(poison).due_at > timezone.now()


class TestBatch:
    def test_urgent_mails_go_first_and_a_batch_keeps_one_connection(self, mail_server, monkeypatch):
        """AVL-09: a mass of invitations does not delay a new link."""
        monkeypatch.setattr(dispatch, "BATCH", 3)
        stages = []
        mail_server.answer = lambda stage, envelope: stages.append(stage) or accept(stage, envelope)
        many = [invitation(priority=Priority.BULK) for _ in range(3)]
        urgent = invitation(priority=Priority.URGENT)
        assert send_due() is True
        assert (stages.count("connect"), len(mail_server.messages)) == (1, 3)
        assert send_due() is False
        assert recipients(mail_server) == [urgent.address, *(message.address for message in many)]

    def test_when_the_server_is_down_the_rest_waits_unattempted(self, mail_server, monkeypatch):
        """One refused connection is enough; no other process is called."""
        monkeypatch.setattr(dispatch, "BATCH", 3)
        messages, stages, calls = [invitation() for _ in range(4)], [], []
        mail_server.answer = lambda stage, envelope: stages.append(stage) or "421 4.3.2 Down"
        assert send_due(call_another=lambda: not calls.append(1)) is False
        assert (stages, calls) == (["connect"], [])
        assert [seen_again(message).attempts for message in messages] == [1, 0, 0, 0]
        assert set(statuses(*messages)) == {Status.QUEUED}

    def test_a_batch_ends_before_its_lease_does(self, mail_server):
        """AVL-05: the leases of mails that were not begun in time are released at once."""
        with at(MORNING) as clock:
            messages = [invitation() for _ in range(4)]

            def answer_slowly(stage: Stage, envelope: Envelope) -> str:
                if stage == "data":
                    clock.shift(dispatch.BATCH_TIME + timedelta(seconds=1))
                return accept(stage, envelope)

            mail_server.answer = answer_slowly
            assert send_due(call_another=lambda: True) is True, "the other process may have ended before"
            assert statuses(*messages[:2]) == [Status.SENT] * 2
            assert list(Message.objects.due(timezone.now())) == messages[2:], "in their order"
            assert {seen_again(message).attempts for message in messages[2:]} == {0}

    def test_another_process_is_called_once_for_a_full_batch_after_its_first_mail(self, mail_server, monkeypatch):
        """AVL-09: so that all free processes send."""
        monkeypatch.setattr(dispatch, "BATCH", 3)
        for _ in range(5):
            invitation()
        mails_at_calls = []
        for mails in (3, 5):
            assert send_due(call_another=lambda: not mails_at_calls.append(len(mail_server.messages))) is False
            assert (mails_at_calls, len(mail_server.messages)) == ([1], mails)

    def test_each_mail_costs_one_statement(self, mail_server):
        """AVL-04: the one that marks it as sent, without which a killed worker would double more than one mail."""
        statements = []
        for mails in (2, 8):
            for _ in range(mails):
                invitation(priority=Priority.BULK)
            with CaptureQueriesContext(connection) as captured:
                send_due()
            statements.append(len(captured))
        assert len(mail_server.messages) == 10
        assert statements[1] - statements[0] == 8 - 2


class TestLease:
    def test_a_leased_row_is_taken_only_after_its_lease(self, mail_server):
        """AVL-04, AVL-05: without waiting for Redis."""
        leased, expired = invitation(), invitation()
        for message, start in ((leased, timezone.now()), (expired, timezone.now() - dispatch.LEASE)):
            message.lease(start, dispatch.LEASE)
            message.save()
        send(message_id=leased.pk)
        send_due()
        assert recipients(mail_server) == [expired.address]
        assert (seen_again(leased).attempts, seen_again(expired).attempts) == (1, 2)

    def test_a_late_answer_counts_only_when_the_server_has_taken_the_mail(self):
        """AVL-05: another worker has leased the row since, or has put it back."""
        message = invitation()
        message.lease(timezone.now(), dispatch.LEASE)
        Message.objects.update(status=Status.SENDING, attempts=2, leased_until=timezone.now() + dispatch.LEASE)
        for answer in (Refused("550 No"), Postponed("451 Later", server_is_down=False)):
            status.record_answer(message, answer)
            assert statuses(message) == [Status.SENDING]
        for before, after in ((Status.QUEUED, Status.SENT), (Status.BOUNCED, Status.BOUNCED)):
            Message.objects.update(status=before)
            status.record_answer(message, Accepted())
            assert statuses(message) == [after]

    def test_a_lease_is_longer_than_all_that_one_mail_may_take(self):
        """AVL-05, AVL-08: connect, greeting, MAIL, RCPT, DATA and QUIT each wait `EMAIL_TIMEOUT` at most."""
        longest = dispatch.BATCH_TIME + 12 * timedelta(seconds=portal.EMAIL_TIMEOUT)
        for task in (send_message, send_due_messages):
            assert longest < timedelta(seconds=task.time_limit) < dispatch.LEASE


@pytest.mark.django_db(transaction=True)
def test_deadlines_are_saved_before_the_server_is_called(mail_server):
    """AVL-04: a worker that takes over from a killed one knows until when the link of a mail is valid."""
    messages, known = [invitation() for _ in range(3)], []

    def look(stage: Stage, envelope: Envelope) -> str:
        if stage == "connect":
            known.extend(Message.objects.order_by("pk").values_list("deadline", flat=True))
            connection.close()
        return accept(stage, envelope)

    mail_server.answer = look
    send_due()
    assert None not in known
    assert known == [seen_again(message).deadline for message in messages]


@pytest.mark.django_db(transaction=True)
def test_sweeps_at_once_send_each_mail_once(mail_server, monkeypatch):
    """AVL-05: row locks share the rows between the workers."""
    monkeypatch.setattr(dispatch, "BATCH", 7)
    messages = [invitation() for _ in range(30)]
    together(*[lambda: [None for _ in iter(send_due, False)]] * 3)
    assert sorted(recipients(mail_server)) == sorted(message.address for message in messages)
