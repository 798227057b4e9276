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


class Provider:
    """What stands at the other end of Postmark's API."""

    def __init__(self) -> None:
        self.status, self.answer = 200, {"ErrorCode": 0, "Message": "OK"}
        self.received: list[dict[str, object]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                mail = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.received.append(mail)
                said = {"To": mail["To"], "MessageID": f"provider-{len(provider.received)}", **provider.answer}
                body = json.dumps(said).encode()
                self.send_response(provider.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def provider(settings) -> Iterator[Provider]:
    provider = Provider()
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {**settings.ANYMAIL, "POSTMARK_API_URL": provider.url, "POSTMARK_SERVER_TOKEN": "token"}
    yield provider
    provider.close()


class TestSending:
    def test_a_mail_goes_out_untracked_and_its_name_is_kept(self, provider):
        """EML-02, EML-06"""
        message = invitation()
        send(message_id=message.pk)
        [mail] = provider.received
        assert mail["To"] == message.address
        assert mail["TrackOpens"] is False
        assert mail["TrackLinks"] == "None"
        assert {"Name": "Auto-Submitted", "Value": "auto-generated"} in mail["Headers"]
        message.refresh_from_db()
        assert (message.status, message.provider_id) == (Status.SENT, "provider-1")
        link = activation_link.url(message.person, message.deadline)
        assert link in str(mail["TextBody"]).splitlines()
        assert f'href="{link}"' in str(mail["HtmlBody"])

    def test_an_address_that_the_provider_blocks_is_refused_for_good(self, provider):
        """EML-06: 406 of Postmark, an address that has bounced before."""
        message = invitation()
        found = f"Found inactive addresses: {message.address}. Inactive recipients are ones that have bounced."
        provider.status, provider.answer = 422, {"ErrorCode": 406, "Message": found}
        send(message_id=message.pk)
        message.refresh_from_db()
        assert message.status == Status.REFUSED

    def test_a_mail_that_the_provider_does_not_want_does_not_hold_the_others(self, provider):
        """AVL-03"""
        provider.status, provider.answer = 413, {"Message": "Too large"}
        one, other = invitation(), invitation()
        send_due()
        assert len(provider.received) == 2
        assert {row.status for row in Message.objects.filter(pk__in=[one.pk, other.pk])} == {Status.REFUSED}

    def test_trouble_of_the_provider_is_waited_out(self, provider):
        """AVL-03: nothing is lost, and the others do not use up a try."""
        for code in [401, 429, 500, 503]:
            provider.received.clear()
            Message.objects.all().delete()
            provider.status, provider.answer = code, {"Message": "Not now"}
            one, other = invitation(), invitation()
            assert send_due() is False
            one.refresh_from_db()
            other.refresh_from_db()
            assert [(row.status, row.attempts) for row in (one, other)] == [(Status.QUEUED, 1), (Status.QUEUED, 0)]
            assert len(provider.received) == 1

    def test_a_provider_that_is_away_is_waited_out(self, settings):
        settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
        settings.ANYMAIL = {"POSTMARK_API_URL": "http://127.0.0.1:9/", "POSTMARK_SERVER_TOKEN": "very-secret-token"}
        message = invitation()
        send(message_id=message.pk)
        message.refresh_from_db()
        assert message.status == Status.QUEUED
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


def tell(event: dict[str, object], *, secret: str | None = SECRET) -> HttpResponse:
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
        assert tell(bounce()).status_code == 404

    def test_who_does_not_know_the_secret_is_refused(self, webhooks):
        """EML-06: 400, and nothing is written."""
        for secret in [None, "hook:wrong", "", ":", "a-long-random-secret:hook"]:
            message = sent()
            assert tell(bounce(), secret=secret).status_code == 400
            assert status_of(message) == Status.SENT

    def test_a_bounce_is_recorded_with_what_the_other_server_said(self, webhooks):
        """EML-06: through the address that the provider is given, without a CSRF token or a session."""
        message = sent()
        assert tell(bounce()).status_code == 200
        assert status_of(message) == Status.BOUNCED
        assert "550" in message.answer

    def test_a_delivery_is_recorded(self, webhooks):
        message = sent()
        assert tell(delivery()).status_code == 200
        assert status_of(message) == Status.DELIVERED

    def test_a_complaint_is_recorded(self, webhooks):
        message = sent()
        tell({"RecordType": "SpamComplaint", "Type": "SpamComplaint", "MessageID": "m-1"})
        assert status_of(message) == Status.COMPLAINED

    def test_telling_twice_changes_nothing(self, webhooks):
        """EML-06: a replayed event is a no-op."""
        message = sent()
        for _ in range(3):
            assert tell(bounce()).status_code == 200
        tell(bounce(answer="another story"))
        assert status_of(message) == Status.BOUNCED
        assert message.answer == "550 No such user"

    def test_a_bounce_outlives_a_delivery_in_whatever_order_they_arrive(self, webhooks):
        first, second = sent("m-1"), sent("m-2")
        for event in (bounce("m-1"), delivery("m-1"), delivery("m-2"), bounce("m-2")):
            tell(event)
        assert status_of(first) == status_of(second) == Status.BOUNCED

    def test_news_of_a_mail_that_is_still_being_noted_is_asked_for_again(self, webhooks):
        """EML-06: the provider was faster than our note of the name it gave; 503 until then, and nothing is lost."""
        message = invitation()
        Message.objects.update(status=Status.SENDING, leased_until=timezone.now() + LEASE)
        early = tell(bounce("m-1"))
        assert (early.status_code, early["Retry-After"]) == (503, "30")
        status.record_answer(message, Accepted("m-1"))
        assert tell(bounce("m-1")).status_code == 200
        assert status_of(message) == Status.BOUNCED
        assert tell(bounce("of nobody")).status_code == 200

    def test_a_bounced_mail_is_not_sent_again(self, webhooks, mail_server):
        """EML-06: stops retries."""
        message = sent()
        tell(bounce())
        send(message_id=message.pk)
        send_due()
        assert mail_server.messages == []

    def test_what_does_not_concern_us_is_taken_and_forgotten(self, webhooks):
        for event in [
            bounce("of nobody"),
            bounce(""),
            bounce(kind="Transient"),
            {"RecordType": "Open", "MessageID": "m-1"},
        ]:
            message = sent()
            untouched = invitation()
            assert tell(event).status_code == 200
            assert status_of(message) == Status.SENT
            assert status_of(untouched) == Status.QUEUED

    def test_public_pages_tell_nobody_of_a_bounce(self, webhooks):
        """ENU-01, EML-06"""
        message = sent()
        answers = []
        for happened in (False, True):
            if happened:
                tell(bounce())
            answer = Client().post(reverse("first-connection"), {"login": message.person.login})
            answers.append((answer.status_code, answer["Location"]))
        assert answers[0] == answers[1]
