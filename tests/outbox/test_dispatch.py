"""From a row of the outbox to a mail on a real SMTP server, through whatever that server answers."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

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
from tests.factories import active_account, pending_account
from tests.mail_delivery import html_of, link_in, text_of
from tests.outbox.messages import invitation, seen_again

pytestmark = pytest.mark.django_db


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(moment: datetime) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def due_now(message: Message) -> Message:
    Message.objects.filter(pk=message.pk).update(due_at=timezone.now())
    return message


def refusing(said: str, *, at_stage: Stage, only: str = ""):
    """Answer `said` at that stage, to mails for the recipient `only` if one is given."""

    def answer(stage: Stage, envelope: Envelope) -> str:
        concerned = not only or only in envelope.recipients
        return said if stage == at_stage and concerned else accept(stage, envelope)

    return answer


class TestOneMail:
    def test_it_goes_to_the_address_on_the_row_with_the_link_in_both_parts(self, mail_server):
        message = invitation()
        send(message_id=message.pk)
        [mail] = mail_server.messages
        assert mail.envelope.recipients == [message.address]
        assert link_in(mail) in html_of(mail)
        sent = seen_again(message)
        assert (sent.status, sent.attempts, sent.leased_until) == (Status.SENT, 1, None)
        assert sent.sent_at is not None
        assert sent.deadline is not None

    def test_its_headers_say_what_it_is(self, mail_server):
        """EML-01"""
        message = invitation()
        send(message_id=message.pk)
        [mail] = mail_server.messages
        wanted = {
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "Content-Language": "fr",
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

    def test_it_is_in_the_language_of_the_person(self, mail_server):
        message = invitation(pending_account(language="en"))
        send(message_id=message.pk)
        [mail] = mail_server.messages
        assert mail["Content-Language"] == "en"

    def test_a_finished_row_is_never_sent_again(self, mail_server):
        """AVL-05"""
        for final in [Status.SENT, Status.REFUSED, Status.BOUNCED, Status.CANCELLED, Status.GIVEN_UP]:
            message = invitation()
            Message.objects.update(status=final)
            send(message_id=message.pk)
            send_due()
            assert mail_server.messages == []
            assert seen_again(message).attempts == 0

    def test_a_row_that_is_gone_is_normal(self, mail_server):
        send(message_id=4_000_000)
        assert mail_server.messages == []

    def test_a_mail_that_has_become_pointless_is_cancelled(self, mail_server):
        """Activated, corrected or disputed meanwhile: nothing leaves (EML-04, TOK-07)."""
        activated, corrected, disputed = (invitation() for _ in range(3))
        now = timezone.now()
        Account.objects.filter(pk=activated.person_id).update(activated_at=now, charter_accepted_at=now)
        Account.objects.filter(pk=corrected.person_id).update(recovery_address="autre@exemple.net")
        Account.objects.filter(pk=disputed.person_id).update(recovery_address_disputed_at=now)
        send_due()
        assert mail_server.messages == []
        assert set(Message.objects.values_list("status", flat=True)) == {Status.CANCELLED}

    def test_the_verification_of_an_address_given_up_is_cancelled(self, mail_server):
        person = active_account()
        choose_redirection(account=person, target="un@exemple.org", keep_copy=True)
        choose_redirection(account=person, target="deux@exemple.org", keep_copy=True)
        send_due()
        assert [mail["To"] for mail in mail_server.messages] == ["deux@exemple.org"]

    def test_nothing_is_left_of_what_was_not_committed(self, mail_server, django_capture_on_commit_callbacks):
        """AVL-02: no row, no mail, nobody woken."""
        person = pending_account()
        with django_capture_on_commit_callbacks() as woken, suppress(InterruptedError), transaction.atomic():
            invitation(person)
            raise InterruptedError
        send_due()
        assert woken == []
        assert not Message.objects.exists()
        assert mail_server.messages == []


class TestSameDay:
    def sent_twice(self, mail_server: MailCatcher, first: datetime, second: datetime) -> list[CaughtMessage]:
        """What a worker leaves behind that was killed between the server's 250 and its own commit (D3)."""
        with at(first):
            message = invitation()
            send(message_id=message.pk)
            message = seen_again(message)
            message.lease(timezone.now(), dispatch.LEASE)
            message.save()
        with at(second):
            send_due()
        return mail_server.messages

    def test_copies_of_one_paris_day_are_the_same_mail(self, mail_server):
        """AVL-04, D8"""
        one, other = self.sent_twice(mail_server, utc("2026-06-10 08:00:00"), utc("2026-06-10 21:59:59"))
        assert one["Message-ID"] == other["Message-ID"]
        assert text_of(one) == text_of(other)
        assert html_of(one) == html_of(other)
        assert one["Subject"] == other["Subject"]

    def test_a_copy_of_the_next_paris_day_has_its_own_link_and_deadline(self, mail_server):
        """D8: a late mail never carries a dead link."""
        one, other = self.sent_twice(mail_server, utc("2026-06-10 21:50:00"), utc("2026-06-10 22:00:00"))
        assert one["Message-ID"] != other["Message-ID"]
        assert link_in(one) != link_in(other)
        assert "11\u00a0juin 2026" in text_of(one)
        assert "12\u00a0juin 2026" in text_of(other)
        assert Message.objects.get().deadline == utc("2026-06-12 21:59:59")


class TestRefusals:
    def test_what_is_refused_for_good_is_not_tried_again(self, mail_server):
        """AVL-03: 5xx, the row says what the server said."""
        for said, stage in [
            ("550 5.1.1 No such user", "rcpt"),
            ("554 5.7.1 Message rejected", "data"),
            ("552 5.2.2 Mailbox full", "rcpt"),
        ]:
            mail_server.answer = refusing(said, at_stage=stage)
            message = invitation()
            send(message_id=message.pk)
            mail_server.answer = accept
            send(message_id=message.pk)
            send_due(now=timezone.now() + timedelta(days=1))
            assert mail_server.messages == []
            refused = seen_again(message)
            assert (refused.status, refused.attempts) == (Status.REFUSED, 1)
            assert refused.answer == said

    def test_what_may_pass_is_tried_later(self, mail_server):
        """AVL-03: 4xx, and 5xx that are about us and not about this mail."""
        for said, stage in [
            ("421 4.3.2 Service shutting down", "connect"),
            ("421 4.7.0 Too many mails", "mail"),
            ("450 4.2.1 Greylisted", "rcpt"),
            ("451 4.7.1 Come back later", "rcpt"),
            ("451 4.3.0 Error", "data"),
            ("554 5.7.1 <x@exemple.net>: Relay access denied", "rcpt"),
            ("550 5.7.1 Client host rejected", "rcpt"),
            ("530 5.7.0 Authentication required", "mail"),
            ("554 5.5.4 No SMTP service here", "connect"),
        ]:
            mail_server.messages.clear()
            mail_server.answer = refusing(said, at_stage=stage)
            message = invitation()
            send(message_id=message.pk)
            mail_server.answer = accept
            waiting = seen_again(message)
            assert (waiting.status, waiting.leased_until) == (Status.QUEUED, None)
            assert said[:3] in waiting.answer
            assert timedelta(seconds=20) < waiting.due_at - timezone.now() < timedelta(seconds=40)
            send(message_id=message.pk)
            assert mail_server.messages == [], "not before its time, however often it is woken"
            send(message_id=due_now(message).pk)
            assert len(mail_server.messages) == 1
            assert seen_again(message).attempts == 2

    def test_a_server_that_hangs_up_is_tried_later(self, mail_server, settings):
        settings.EMAIL_TIMEOUT = 0.3
        hung = Barrier(2)
        mail_server.answer = lambda stage, envelope: str(hung.wait(20)) if stage == "data" else accept(stage, envelope)
        message = invitation()
        send(message_id=message.pk)
        hung.wait(20)
        assert seen_again(message).status == Status.QUEUED
        assert "imeout" in seen_again(message).answer or "timed out" in seen_again(message).answer

    def test_waiting_grows_and_is_never_the_same(self):
        """AVL-03: 30 s, doubled up to one hour, give or take a fifth, even after days of tries."""
        for attempts, seconds in [(1, 30), (2, 60), (3, 120), (5, 480), (7, 1920), (8, 3600), (9, 3600), (400, 3600)]:
            delays = {delay_before_retry(attempts).total_seconds() for _ in range(20)}
            assert all(0.8 * seconds <= delay <= 1.2 * seconds for delay in delays), attempts
            assert len(delays) > 10

    def test_after_four_days_it_is_given_up(self, mail_server):
        """AVL-03: and the agents see what the server said last."""
        mail_server.answer = refusing("451 4.7.1 Come back later", at_stage="rcpt")
        with time_machine.travel(utc("2026-06-10 08:00:00"), tick=False) as clock:
            message = invitation()
            while seen_again(message).status == Status.QUEUED:
                clock.move_to(seen_again(message).due_at)
                send_due()
            lasted = timezone.now() - message.created_at
        given_up = seen_again(message)
        assert given_up.status == Status.GIVEN_UP
        assert given_up.answer.startswith("451")
        assert timedelta(days=4) < lasted < timedelta(days=4, hours=2)
        assert given_up.attempts < 150

    def test_what_only_waited_for_days_is_not_given_up_at_its_first_try(self, mail_server):
        """AVL-03: a server that greylists says "later" to everybody once."""
        mail_server.answer = refusing("451 4.7.1 Greylisted", at_stage="rcpt")
        message = invitation()
        Message.objects.update(created_at=timezone.now() - timedelta(days=5))
        send(message_id=message.pk)
        assert seen_again(message).status == Status.QUEUED
        mail_server.answer = accept
        send(message_id=due_now(message).pk)
        assert seen_again(message).status == Status.SENT

    def test_a_mail_that_cannot_be_made_does_not_hold_the_others(self, mail_server):
        """AVL-03: a poison row waits and is tried again; those behind it leave."""
        poison = Message.objects.create(kind="nonsense", address="x@exemple.net")
        good = invitation()
        send_due()
        assert [mail["To"] for mail in mail_server.messages] == [good.address]
        assert seen_again(poison).status == Status.QUEUED
        assert seen_again(poison).due_at > timezone.now()

    def test_one_refused_recipient_does_not_hold_the_others(self, mail_server):
        refused, postponed, good = invitation(), invitation(), invitation()
        answers = {refused.address: "550 5.1.1 Unknown", postponed.address: "451 4.7.1 Later"}
        mail_server.answer = lambda stage, envelope: (
            answers.get(envelope.recipients[-1], "250 OK") if stage == "rcpt" else accept(stage, envelope)
        )
        send_due()
        assert [mail["To"] for mail in mail_server.messages] == [good.address]
        assert [seen_again(message).status for message in (refused, postponed, good)] == [
            Status.REFUSED,
            Status.QUEUED,
            Status.SENT,
        ]


class TestBatch:
    def test_what_a_person_asked_for_goes_first(self, mail_server):
        """AVL-09: a mass of invitations does not delay a new link."""
        many = [invitation(priority=Priority.BULK) for _ in range(3)]
        urgent = invitation(priority=Priority.URGENT)
        send_due()
        assert [mail["To"] for mail in mail_server.messages] == [urgent.address, *(message.address for message in many)]

    def test_a_batch_keeps_one_connection(self, mail_server):
        stages = []
        mail_server.answer = lambda stage, envelope: stages.append(stage) or accept(stage, envelope)
        for _ in range(3):
            invitation()
        send_due()
        assert stages.count("connect") == 1
        assert len(mail_server.messages) == 3

    def test_it_says_whether_there_may_be_more(self, mail_server, monkeypatch):
        monkeypatch.setattr(dispatch, "BATCH", 2)
        for _ in range(3):
            invitation()
        assert send_due() is True
        assert send_due() is False
        assert len(mail_server.messages) == 3

    def test_when_the_server_is_down_the_rest_waits_untried(self, mail_server):
        """One refused connection is enough; the others have not used up a try."""
        messages = [invitation() for _ in range(3)]
        attempts = []
        mail_server.answer = lambda stage, envelope: attempts.append(stage) or "421 4.3.2 Down"
        assert send_due() is False
        assert attempts == ["connect"]
        assert [seen_again(message).attempts for message in messages] == [1, 0, 0]
        assert {seen_again(message).status for message in messages} == {Status.QUEUED}

    def test_a_batch_ends_before_its_lease_does(self, mail_server):
        """AVL-05: what was taken and not begun in time is given back at once."""
        with time_machine.travel(utc("2026-06-10 08:00:00"), tick=False) as clock:
            messages = [invitation() for _ in range(4)]

            def slowly(stage: Stage, envelope: Envelope) -> str:
                if stage == "data":
                    clock.shift(dispatch.BATCH_TIME + timedelta(seconds=1))
                return accept(stage, envelope)

            mail_server.answer = slowly
            assert send_due(call_another=lambda: True) is True, "whoever was called may have ended before"
            sent, put_back = messages[:2], messages[2:]
            assert {seen_again(message).status for message in sent} == {Status.SENT}
            assert list(Message.objects.due(timezone.now())) == put_back, "in the order in which they were asked for"
            assert {seen_again(message).attempts for message in put_back} == {0}

    def test_another_process_is_called_while_a_full_batch_is_sent(self, mail_server, monkeypatch):
        """AVL-09: once for each batch, when the server has taken a mail of it; so they are sent by all who are free."""
        monkeypatch.setattr(dispatch, "BATCH", 3)
        for _ in range(5):
            invitation()
        arrived_at_calls = []

        def call_another() -> bool:
            arrived_at_calls.append(len(mail_server.messages))
            return True

        assert send_due(call_another=call_another) is False, "it has called already"
        assert (arrived_at_calls, len(mail_server.messages)) == ([1], 3)
        assert send_due(call_another=call_another) is False
        assert (arrived_at_calls, len(mail_server.messages)) == ([1], 5), "nobody is called for what is not there"

    def test_nobody_is_called_to_a_server_that_is_down(self, mail_server, monkeypatch):
        monkeypatch.setattr(dispatch, "BATCH", 3)
        for _ in range(4):
            invitation()
        mail_server.answer = lambda stage, envelope: "421 4.3.2 Down"
        called = []
        assert send_due(call_another=lambda: not called.append(1)) is False
        assert called == []

    def test_each_more_mail_costs_one_more_statement(self, mail_server):
        """The note that it was sent, without which a killed worker would double more than one (AVL-04)."""
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
    def test_a_row_in_the_hands_of_a_worker_is_left_to_it(self, mail_server):
        """AVL-05"""
        message = invitation()
        message.lease(timezone.now(), dispatch.LEASE)
        message.save()
        send(message_id=message.pk)
        send_due()
        assert mail_server.messages == []

    def test_once_the_lease_has_run_out_another_worker_takes_it(self, mail_server):
        """AVL-04: without waiting for Redis."""
        message = invitation()
        message.lease(timezone.now() - dispatch.LEASE, dispatch.LEASE)
        message.save()
        send_due()
        assert len(mail_server.messages) == 1
        assert seen_again(message).attempts == 2

    def test_a_late_yes_is_not_forgotten(self):
        """AVL-05: what the server took has left, even if another worker has taken the row and put it back meanwhile."""
        message = invitation()
        Message.objects.update(status=Status.QUEUED, attempts=2)
        status.record_answer(message, Accepted())
        assert seen_again(message).status == Status.SENT

    def test_a_late_no_changes_nothing(self):
        """AVL-05: the row is in the hands of another."""
        message = invitation()
        message.lease(timezone.now(), dispatch.LEASE)
        Message.objects.update(status=Status.SENDING, attempts=2, leased_until=timezone.now() + dispatch.LEASE)
        for answer in (Refused("550 No"), Postponed("451 Later", server_is_down=False)):
            status.record_answer(message, answer)
            assert seen_again(message).status == Status.SENDING

    def test_a_lease_is_longer_than_all_that_one_mail_may_take(self):
        """AVL-05, AVL-08: connect, greeting, MAIL, RCPT, DATA and QUIT each wait `EMAIL_TIMEOUT` at most."""
        longest = dispatch.BATCH_TIME + 12 * timedelta(seconds=portal.EMAIL_TIMEOUT)
        for task in (send_message, send_due_messages):
            assert longest < timedelta(seconds=task.time_limit) < dispatch.LEASE


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_deadlines_are_on_the_rows_before_the_server_hears_of_them(self, mail_server):
        """AVL-04, D8: whoever takes over from a killed worker knows until when the link of its mail is good."""
        messages = [invitation() for _ in range(3)]
        known = []

        def looking(stage: Stage, envelope: Envelope) -> str:
            if stage == "connect":
                known.extend(Message.objects.order_by("pk").values_list("deadline", flat=True))
                connection.close()
            return accept(stage, envelope)

        mail_server.answer = looking
        send_due()
        assert None not in known
        assert known == [seen_again(message).deadline for message in messages]

    def test_two_sweeps_share_what_is_due(self, mail_server, monkeypatch):
        """AVL-05: two beats running, still one mail for each row."""
        monkeypatch.setattr(dispatch, "BATCH", 7)
        messages = [invitation() for _ in range(30)]
        begin = Barrier(3)

        def sweep() -> None:
            begin.wait(30)
            while send_due():
                continue
            connection.close()

        sweeps = [Thread(target=sweep) for _ in range(3)]
        for worker in sweeps:
            worker.start()
        for worker in sweeps:
            worker.join()
        assert sorted(mail["To"] for mail in mail_server.messages) == sorted(message.address for message in messages)
