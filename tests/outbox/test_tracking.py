"""Mails through a provider's API, and what the provider says of them afterwards."""

import base64
import importlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings as portal
from django.http import HttpResponse
from django.test import Client
from django.urls import clear_url_caches, reverse
from django.utils import timezone

import config.urls
from activation.links import activation_link
from outbox import status
from outbox.dispatch import LEASE, send, send_due
from outbox.enums import Status
from outbox.models import Message
from outbox.transport import Accepted
from tests.outbox.messages import invitation

pytestmark = pytest.mark.django_db

SECRET = "hook:a-long-random-secret"
WEBHOOK = "/anymail/postmark/tracking/"


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


class TestSending:
    def test_a_mail_is_sent_untracked_and_the_providers_id_is_kept(self, provider):
        """EML-02, EML-06"""
        message = invitation()
        send(message_id=message.pk)
        [mail] = provider.received
        assert (mail["To"], mail["TrackOpens"], mail["TrackLinks"]) == (message.address, False, "None")
        assert {"Name": "Auto-Submitted", "Value": "auto-generated"} in mail["Headers"]
        message.refresh_from_db()
        assert (message.status, message.provider_id) == (Status.SENT, "provider-1")
        link = activation_link.url(message.person, message.deadline)
        assert link in str(mail["TextBody"]).splitlines()
        assert f'href="{link}"' in str(mail["HtmlBody"])

    def test_a_mail_that_the_provider_refuses_is_not_retried_and_does_not_hold_the_others(self, provider):
        """EML-06, AVL-03: too large, or 406 of Postmark: an address that has bounced before."""
        provider.status, provider.answer = 413, {"Message": "Too large"}
        messages = [invitation(), invitation()]
        send_due()
        assert len(provider.received) == 2
        messages.append(invitation())
        inactive = f"Found inactive addresses: {messages[2].address}. Inactive recipients are ones that have bounced."
        provider.status, provider.answer = 422, {"ErrorCode": 406, "Message": inactive}
        send_due()
        assert [status_of(message) for message in messages] == [Status.REFUSED] * 3

    def test_trouble_of_the_provider_is_waited_out(self, provider, settings):
        """AVL-03: nothing is lost, and the others do not use up an attempt; no token is in the answer."""
        for code in [401, 429, 500, 503]:
            provider.received.clear()
            Message.objects.all().delete()
            provider.status, provider.answer = code, {"Message": "Not now"}
            messages = [invitation(), invitation()]
            assert send_due() is False
            facts = [(status_of(message), message.attempts) for message in messages]
            assert facts == [(Status.QUEUED, 1), (Status.QUEUED, 0)]
            assert len(provider.received) == 1
        settings.ANYMAIL = {"POSTMARK_API_URL": "http://127.0.0.1:9/", "POSTMARK_SERVER_TOKEN": "very-secret-token"}
        message = invitation()
        send(message_id=message.pk)
        assert status_of(message) == Status.QUEUED
        assert "very-secret" not in message.answer


@pytest.fixture
def webhooks(settings) -> Iterator[None]:
    """The URLs as they are with a secret."""
    settings.ANYMAIL = {**settings.ANYMAIL, "WEBHOOK_SECRET": [SECRET]}
    reload_urls()
    yield
    settings.ANYMAIL = {**settings.ANYMAIL, "WEBHOOK_SECRET": []}
    reload_urls()


def reload_urls() -> None:
    importlib.reload(config.urls)
    clear_url_caches()


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


def delivery(message_id: str = "m-1") -> dict[str, object]:
    return {"RecordType": "Delivery", "MessageID": message_id, "Details": "250 OK", "Recipient": "x@exemple.net"}


def status_of(message: Message) -> str:
    message.refresh_from_db()
    return message.status


class TestWebhook:
    def test_it_does_not_exist_without_a_secret_in_the_settings(self):
        """EML-06"""
        assert portal.ANYMAIL["WEBHOOK_SECRET"] == []
        assert notify(bounce()).status_code == 404

    def test_a_wrong_secret_is_refused(self, webhooks):
        """EML-06: 400, and no row changes."""
        message = sent()
        for secret in [None, "hook:wrong", "", ":", "a-long-random-secret:hook"]:
            assert notify(bounce(), secret=secret).status_code == 400
        assert status_of(message) == Status.SENT

    def test_events_are_recorded_once_and_a_bounce_outlives_a_delivery(self, webhooks, mail_server):
        """EML-06: with the other server's answer, without a CSRF token or a session; a bounced mail is not retried."""
        bounced, delivered, late, refused = (sent(f"m-{number}") for number in range(1, 5))
        complaint = {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "MessageID": "m-4"}
        for event in (bounce("m-1"), bounce("m-1"), bounce("m-1", answer="another story"), delivery("m-1")):
            assert notify(event).status_code == 200
        for event in (delivery("m-2"), delivery("m-3"), bounce("m-3"), complaint):
            notify(event)
        assert (status_of(bounced), bounced.answer) == (Status.BOUNCED, "550 No such user")
        found = [status_of(message) for message in (delivered, late, refused)]
        assert found == [Status.DELIVERED, Status.BOUNCED, Status.COMPLAINED]
        send(message_id=bounced.pk)
        send_due()
        assert mail_server.messages == []

    def test_an_event_that_precedes_our_record_is_asked_for_again(self, webhooks):
        """EML-06: 503 until the id that the provider gave is saved."""
        message = invitation()
        Message.objects.update(status=Status.SENDING, leased_until=timezone.now() + LEASE)
        early = notify(bounce("m-1"))
        assert (early.status_code, early["Retry-After"]) == (503, "30")
        status.record_answer(message, Accepted("m-1"))
        assert notify(bounce("m-1")).status_code == 200
        assert status_of(message) == Status.BOUNCED

    def test_other_events_are_accepted_and_ignored(self, webhooks):
        message, waiting = sent(), invitation()
        opened = {"RecordType": "Open", "MessageID": "m-1"}
        for event in [bounce("unknown"), bounce(""), bounce(kind="Transient"), opened]:
            assert notify(event).status_code == 200
        assert (status_of(message), status_of(waiting)) == (Status.SENT, Status.QUEUED)

    def test_public_pages_do_not_reveal_a_bounce(self, webhooks):
        """ENU-01, EML-06"""
        message, responses = sent(), []
        for event in (delivery("unknown"), bounce()):
            notify(event)
            response = Client().post(reverse("first-connection"), {"login": message.person.login})
            responses.append((response.status_code, response["Location"]))
        assert responses[0] == responses[1]
