"""From a row of the outbox to a mail at a server or at a provider's API, whatever it answers then and later."""

import base64
import importlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import time_machine
from anymail.urls import urlpatterns as anymail_patterns
from django.conf import settings as portal
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import clear_url_caches
from django.utils import timezone

import config.urls
from accounts.models import Account
from activation.links import activation_link
from devtools.mailcatcher import Envelope, MailCatcher, Stage, accept
from mailrouting.services import choose_redirection
from monitoring import collectors
from outbox import dispatch, status
from outbox.dispatch import send, send_due
from outbox.enums import Priority, Status
from outbox.models import Message
from outbox.tasks import send_due_messages, send_message
from outbox.transport import Accepted, Postponed, Refused
from tests.concurrency import together
from tests.factories import active_account, pending_account
from tests.mail_delivery import html_of, link_in, text_of
from tests.outbox.messages import invitation, seen_again
from tests.project import PROJECT

pytestmark = pytest.mark.django_db

SECRET, WEBHOOK = "hook:a-long-random-secret", "/anymail/postmark/tracking/"
MORNING = datetime(2026, 6, 10, 8, tzinfo=UTC)
#: The fate of a mail, the stage and the reply.
REPLIES = (PROJECT / "tests/outbox/replies.txt").read_text().splitlines()


def refusing(said: str, *, at_stage: Stage) -> Callable[[Stage, Envelope], str]:
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
        wanted = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "Content-Language": "en"}
        wanted |= {"Reply-To": portal.SUPPORT_ADDRESS, "To": message.address, "MIME-Version": "1.0"}
        assert {name: mail[name] for name in wanted} == wanted
        assert mail["From"].addresses[0].domain == portal.UNIVERSITY_DOMAINS[0]
        assert re.fullmatch(rf"<[0-9a-f]{{32}}\.\d{{8}}@{re.escape(portal.MESSAGE_ID_DOMAIN)}>", mail["Message-ID"])
        assert abs(mail["Date"].datetime.replace(tzinfo=UTC) - timezone.now()) < timedelta(minutes=1)
        forbidden = {"Cc", "Bcc", "Precedence", "List-Unsubscribe", "Disposition-Notification-To", "Return-Receipt-To"}
        assert not forbidden & set(mail.keys())

    def test_a_finished_or_pointless_mail_is_not_sent(self, mail_server):
        """AVL-05; EML-04, TOK-07: activated, corrected or disputed meanwhile; another forwarding address was chosen."""
        for final in [Status.SENT, Status.REFUSED, Status.BOUNCED, Status.CANCELLED, Status.GIVEN_UP]:
            finished = invitation()
            Message.objects.update(status=final)
            send(message_id=finished.pk)
            send_due()
            assert seen_again(finished).attempts == 0
        send(message_id=4_000_000)
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

    def test_copies_are_the_same_mail_within_one_paris_day_and_later_ones_have_a_living_link(self, mail_server):
        """AVL-04: of a worker that was killed between the server's 250 and its own commit."""
        midnight = datetime(2026, 6, 10, 22, tzinfo=UTC)
        for first, second in ((MORNING, midnight - timedelta(seconds=1)), (midnight - timedelta(minutes=10), midnight)):
            mail_server.messages.clear()
            with time_machine.travel(first, tick=False):
                message = invitation()
                send(message_id=message.pk)
                message = seen_again(message)
                message.lease(timezone.now(), dispatch.LEASE)
                message.save()
            with time_machine.travel(second, tick=False):
                send_due()
            one, other = mail_server.messages
            pairs = zip(*((mail["Message-ID"], text_of(mail), html_of(mail)) for mail in (one, other)), strict=True)
            assert {first_part == second_part for first_part, second_part in pairs} == {second < midnight}
        assert "11\u00a0juin 2026" in text_of(one)
        assert "12\u00a0juin 2026" in text_of(other)
        assert Message.objects.latest("pk").deadline == datetime(2026, 6, 12, 21, 59, 59, tzinfo=UTC)


class TestRefusals:
    def test_only_what_is_said_of_the_mailbox_is_final(self, mail_server):
        """AVL-03: 5xx, whose answer the row keeps. What is said of us, or for now, is retried later."""
        for fate, stage, said in (line.split(maxsplit=2) for line in REPLIES):
            mail_server.messages.clear()
            mail_server.answer = refusing(said, at_stage=stage)
            message = invitation()
            send(message_id=message.pk)
            mail_server.answer = accept
            refused, is_final = seen_again(message), fate == Status.REFUSED
            assert (refused.status, refused.leased_until) == (fate, None), said
            assert refused.answer == said if is_final else said[:3] in refused.answer
            assert refused.fault == (
                " ".join(re.findall(r"^5..|\b5\.\d+\.\d+", said)) if (is_final, said[0]) == (False, "5") else ""
            )
            if not is_final:
                assert timedelta(seconds=20) < refused.due_at - timezone.now() < timedelta(seconds=40)
            send(message_id=message.pk)
            assert mail_server.messages == [], "not before its time, however often a task asks for it"
            Message.objects.filter(pk=message.pk).update(due_at=timezone.now())
            send(message_id=message.pk)
            assert (len(mail_server.messages), seen_again(message).attempts) == ((0, 1) if is_final else (1, 2)), said

    def test_a_fault_of_ours_is_one_alert_for_all_its_mails(self, mail_server, settings, monkeypatch, caplog):
        """LOG-04, AVL-03: the relay, the sender of the settings, a template; again once it has been repaired."""

        def errors() -> int:
            for _ in range(2):
                Message.objects.update(due_at=timezone.now())
                send_due()
            return len([record for record in caplog.records if record.levelname == "ERROR"])

        messages = [invitation() for _ in range(3)]
        mail_server.answer = refusing("550 5.7.1 relay not permitted", at_stage="rcpt")
        assert errors() == 1
        [figures] = [metric for metric in collectors._outbox() if metric.name == "portal_outbox_at_fault"]
        assert [sample.value for sample in figures.samples] == [3, 0]
        with monkeypatch.context() as patch:
            patch.setattr(dispatch, "render_email", lambda *_facts: {}["missing"])
            assert errors() == 2
        settings.DEFAULT_FROM_EMAIL = "Université, Montpellier 3 <compte@univ-exemple.fr>"
        assert (errors(), set(statuses(*messages))) == (3, {Status.QUEUED})
        settings.DEFAULT_FROM_EMAIL, mail_server.answer = "compte@univ-exemple.fr", accept
        assert (errors(), set(statuses(*messages))) == (3, {Status.SENT})
        invitation()
        mail_server.answer = refusing("550 5.7.1 relay not permitted", at_stage="rcpt")
        assert errors() == 4

    def test_a_mail_is_given_up_after_four_days_of_attempts(self, mail_server):
        """AVL-03: at growing distances. The row keeps the last answer. A mail that only waited gets its attempts."""
        mail_server.answer = refusing("451 4.7.1 Come back later", at_stage="rcpt")
        with time_machine.travel(MORNING, tick=False) as clock:
            message, waits = invitation(), []
            while seen_again(message).status == Status.QUEUED:
                waits.append(seen_again(message).due_at - timezone.now())
                clock.move_to(seen_again(message).due_at)
                send_due()
            lasted = timezone.now() - message.created_at
        given_up = seen_again(message)
        assert (given_up.status, given_up.answer[:3]) == (Status.GIVEN_UP, "451")
        assert timedelta(days=4) < lasted < timedelta(days=4, hours=2)
        assert timedelta(minutes=57) < max(waits) <= timedelta(minutes=72)
        assert (given_up.attempts < 150, len(set(waits)) > 50) == (True, True), "doubled, with jitter"
        message = invitation()
        Message.objects.filter(pk=message.pk).update(created_at=timezone.now() - timedelta(days=5))
        send(message_id=message.pk)
        assert statuses(message) == [Status.QUEUED]

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
    @pytest.fixture(autouse=True)
    def small_batches(self, monkeypatch) -> None:
        monkeypatch.setattr(dispatch, "BATCH", 3)

    def test_urgent_mails_go_first_on_one_connection_and_a_full_batch_calls_another_process_once(self, mail_server):
        """AVL-09: after its first mail, so that all free processes send. A mass of invitations delays no new link."""
        stages, mails_at_calls = [], []
        mail_server.answer = lambda stage, envelope: stages.append(stage) or accept(stage, envelope)
        many = [invitation(priority=Priority.BULK) for _ in range(3)]
        urgent = invitation(priority=Priority.URGENT)
        assert send_due() is True
        assert (stages.count("connect"), len(mail_server.messages)) == (1, 3)
        assert send_due() is False
        assert recipients(mail_server) == [urgent.address, *(message.address for message in many)]
        for _ in range(5):
            invitation()
        for mails in (7, 9):
            assert send_due(call_another=lambda: not mails_at_calls.append(len(mail_server.messages))) is False
            assert (mails_at_calls, len(mail_server.messages)) == ([5], mails)

    def test_when_the_server_is_down_the_rest_waits_unattempted(self, mail_server):
        """One refused connection is enough; no other process is called."""
        messages, calls = [invitation() for _ in range(4)], []
        mail_server.answer = lambda stage, envelope: calls.append(stage) or "421 4.3.2 Down"
        assert send_due(call_another=lambda: not calls.append("another")) is False
        assert calls == ["connect"]
        assert [seen_again(message).attempts for message in messages] == [1, 0, 0, 0]
        assert set(statuses(*messages)) == {Status.QUEUED}

    def test_a_batch_ends_before_its_lease_does(self, mail_server):
        """AVL-05, AVL-08: the leases of mails that were not begun in time are released at once."""
        with time_machine.travel(MORNING, tick=False) as clock:
            messages = [invitation() for _ in range(3)]

            def answer_slowly(stage: Stage, envelope: Envelope) -> str:
                if stage == "data":
                    clock.shift(dispatch.BATCH_TIME + timedelta(seconds=1))
                return accept(stage, envelope)

            mail_server.answer = answer_slowly
            assert send_due(call_another=lambda: True) is True, "the other process may have ended before"
            assert statuses(*messages[:2]) == [Status.SENT] * 2
            assert list(Message.objects.due(timezone.now())) == messages[2:]
            assert seen_again(messages[2]).attempts == 0
        # Connect, greeting, MAIL, RCPT, DATA and QUIT each wait EMAIL_TIMEOUT at most.
        longest = dispatch.BATCH_TIME + 12 * timedelta(seconds=portal.EMAIL_TIMEOUT)
        for task in (send_message, send_due_messages):
            assert longest < timedelta(seconds=task.time_limit) < dispatch.LEASE


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

    @pytest.mark.django_db(transaction=True)
    def test_deadlines_are_saved_before_the_server_is_called_and_sweeps_at_once_send_each_mail_once(self, mail_server):
        """AVL-04, AVL-05: a killed worker doubles one mail at most; its successor knows until when a link is valid."""
        known, unrecorded = {}, []

        def look(stage: Stage, envelope: Envelope) -> str:
            if stage == "rcpt":
                known.update(Message.objects.filter(address=envelope.recipients[-1]).values_list("address", "deadline"))
                unrecorded.append(len(mail_server.messages) - Message.objects.filter(status=Status.SENT).count())
                connection.close()
            return accept(stage, envelope)

        mail_server.answer = look
        for _ in range(30):
            invitation()
        together(*[lambda: [None for _ in iter(send_due, False)]] * 3)
        assert sorted(recipients(mail_server)) == sorted(known)
        assert (None in known.values(), known) == (False, dict(Message.objects.values_list("address", "deadline")))
        assert max(unrecorded) <= 3


class Postmark(BaseHTTPRequestHandler):
    """The other end of Postmark's API; the test sets its status and answer on the server."""

    def do_POST(self) -> None:
        mail = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append(mail)
        answer = {"To": mail["To"], "MessageID": f"provider-{len(self.server.received)}", **self.server.answer}
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def provider(settings) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Postmark)
    server.received, server.status, server.answer = [], 200, {"ErrorCode": 0, "Message": "OK"}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    api = {"POSTMARK_API_URL": f"http://127.0.0.1:{server.server_port}/", "POSTMARK_SERVER_TOKEN": "token"}
    settings.ANYMAIL = {**settings.ANYMAIL, **api}
    yield server
    server.shutdown()
    server.server_close()


class TestProvider:
    def test_a_mail_is_sent_untracked_and_the_providers_id_is_kept(self, provider):
        """EML-02, EML-06"""
        message = invitation()
        send(message_id=message.pk)
        [mail] = provider.received
        assert (mail["To"], mail["TrackOpens"], mail["TrackLinks"]) == (message.address, False, "None")
        assert {"Name": "Auto-Submitted", "Value": "auto-generated"} in mail["Headers"]
        message = seen_again(message)
        assert (message.status, message.provider_id) == (Status.SENT, "provider-1")
        link = activation_link.url(message.person, message.deadline)
        assert (link in mail["TextBody"].splitlines(), f'href="{link}"' in mail["HtmlBody"]) == (True, True)

    def test_a_refused_mailbox_is_not_retried_and_trouble_of_the_provider_is_waited_out(self, provider, settings):
        """EML-06, AVL-03: a mail that is too large, or whose sender is unknown, waits; other trouble ends the batch."""
        inactive = "Found inactive addresses: x@exemple.net. Inactive recipients are ones that have bounced."
        for code, answer, attempted, fate in [
            (413, {"Message": "Too large"}, 2, Status.QUEUED),
            (422, {"ErrorCode": 406, "Message": inactive}, 2, Status.REFUSED),
            (422, {"ErrorCode": 400, "Message": "Sender signature not found"}, 2, Status.QUEUED),
            *((code, {"Message": "Not now"}, 1, Status.QUEUED) for code in (401, 429, 500, 503)),
        ]:
            provider.received.clear()
            provider.status, provider.answer = code, answer
            messages = [invitation(pending_account(recovery_address="x@exemple.net")) for _ in range(2)]
            send_due()
            fault = f"HTTP {code}" if fate == Status.QUEUED and code < 429 else ""
            assert seen_again(messages[0]).fault == fault
            facts = [(seen_again(message).status, seen_again(message).attempts) for message in messages]
            assert (facts, len(provider.received)) == ([(fate, 1), (fate, attempted - 1)], attempted), code
            Message.objects.all().delete()
        settings.ANYMAIL = {"POSTMARK_API_URL": "http://127.0.0.1:9/", "POSTMARK_SERVER_TOKEN": "very-secret-token"}
        message = invitation()
        send(message_id=message.pk)
        assert seen_again(message).status == Status.QUEUED
        assert "very-secret" not in seen_again(message).answer


@pytest.fixture
def mount(settings) -> Iterator[Callable[..., None]]:
    """Read the URLs again, as they are with a secret and a provider."""
    smtp, anymail = settings.EMAIL_BACKEND, settings.ANYMAIL

    def mount(*secrets: str, provider: str = "postmark") -> None:
        settings.ANYMAIL = {**anymail, "WEBHOOK_SECRET": list(secrets)}
        settings.EMAIL_BACKEND = f"anymail.backends.{provider}.EmailBackend"
        importlib.reload(config.urls)
        clear_url_caches()
        settings.EMAIL_BACKEND = smtp

    yield mount
    mount()


def sent(provider_id: str = "m-1") -> Message:
    message = invitation()
    Message.objects.filter(pk=message.pk).update(status=Status.SENT, provider_id=provider_id)
    return message


def notify(event: dict[str, object], *, secret: str | None = SECRET) -> HttpResponse:
    headers = {"HTTP_AUTHORIZATION": f"Basic {base64.b64encode(secret.encode()).decode()}"} if secret else {}
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    return client.post(WEBHOOK, json.dumps(event), content_type="application/json", **headers)


def bounce(message_id: str = "m-1", *, kind: str = "HardBounce", answer: str = "550 No such user") -> dict[str, object]:
    return {"RecordType": "Bounce", "Type": kind, "MessageID": message_id, "Details": answer, "Description": "Gone"}


class TestWebhook:
    def test_only_that_of_the_provider_in_use_exists_once_it_has_a_secret(self, mount):
        """EML-06, INP-07: the others answered 500 to anyone, and so did one that lacks its own key."""
        mount()
        assert notify(bounce()).status_code == 404
        client = Client(raise_request_exception=False)
        for provider, mounted in [("postmark", {"postmark"}), ("brevo", {"brevo"}), ("mandrill", set()), ("", set())]:
            mount(SECRET, provider=provider)
            addresses = [str(hook.pattern).strip("^$").replace("(_mime)?", "") for hook in anymail_patterns]
            answers = {address: client.post(f"/anymail/{address}").status_code for address in addresses}
            found = {address for address, status in answers.items() if status != 404}
            assert (found, 500 in answers.values()) == ({f"{name}/tracking/" for name in mounted}, False), answers

    def test_a_wrong_secret_is_refused_and_other_events_are_accepted_and_ignored(self, mount):
        """EML-06: 400, and no row changes."""
        mount(SECRET)
        message, waiting = sent(), invitation()
        for secret in [None, "hook:wrong", "", ":", "a-long-random-secret:hook"]:
            assert notify(bounce(), secret=secret).status_code == 400
        opened = {"RecordType": "Open", "MessageID": "m-1"}
        for event in [bounce("unknown"), bounce(""), bounce(kind="Transient"), opened]:
            assert notify(event).status_code == 200
        assert (seen_again(message).status, seen_again(waiting).status) == (Status.SENT, Status.QUEUED)

    def test_events_are_recorded_once_and_a_bounce_outlives_a_delivery(self, mount, mail_server):
        """EML-06: with the other server's answer, without a CSRF token or a session; a bounced mail is not retried."""
        mount(SECRET)
        bounced, delivered, late, refused = (sent(f"m-{number}") for number in range(1, 5))
        delivery = {"RecordType": "Delivery", "Details": "250 OK", "Recipient": "x@exemple.net"}
        deliveries = [{**delivery, "MessageID": f"m-{number}"} for number in (1, 2, 3)]
        complaint = {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "MessageID": "m-4"}
        bounces = (bounce("m-1"), bounce("m-1"), bounce("m-1", answer="another story"))
        for event in (*bounces, *deliveries, bounce("m-3"), complaint):
            assert notify(event).status_code == 200
        found = [Status.BOUNCED, Status.DELIVERED, Status.BOUNCED, Status.COMPLAINED]
        assert statuses(bounced, delivered, late, refused) == found
        assert seen_again(bounced).answer == "550 No such user"
        send(message_id=bounced.pk)
        send_due()
        assert mail_server.messages == []

    def test_an_event_that_precedes_our_record_is_asked_for_again(self, mount):
        """EML-06: 503 until the id that the provider gave is saved."""
        mount(SECRET)
        message = invitation()
        Message.objects.update(status=Status.SENDING, leased_until=timezone.now() + dispatch.LEASE)
        early = notify(bounce("m-1"))
        assert (early.status_code, early["Retry-After"]) == (503, "30")
        status.record_answer(message, Accepted("m-1"))
        assert (notify(bounce("m-1")).status_code, seen_again(message).status) == (200, Status.BOUNCED)
