"""A service of the university is told of each account that changes, and nothing about the person."""

import json
import socket
import time
from datetime import timedelta

import pytest
import trustme
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account, lock_accounts
from accounts.locking.unlock import reopen_account
from accounts.models import Account, Lock
from accounts.passwords.services import change_password, set_password
from accounts.returns import start_anew
from config import provisioning
from journal.events import Event
from privacy.erasure import erase_person
from provisioning.apply import mark, write_due
from provisioning.connectors import http
from provisioning.connectors.webhook import WebhookConnector
from provisioning.models import Replica, Target
from provisioning.targets import synchronise_targets
from tests.factories import active_account, pending_account, reloaded
from tests.provisioning.receiver import SECRET, Receiver

pytestmark = pytest.mark.django_db

ANOTHER_PASSWORD = "vélo-nuage-citron-parquet"


@pytest.fixture
def receiver(settings):
    with Receiver().running() as server:
        settings.PROVISIONING_WEBHOOK_URL = server.url
        settings.PROVISIONING_WEBHOOK_SECRET = SECRET
        settings.PROVISIONING_CONNECTORS = ["provisioning.connectors.webhook.WebhookConnector"]
        synchronise_targets()
        yield server


@pytest.fixture
def person(receiver) -> Account:
    """The service knows that the account is active."""
    account = active_account(uid="zdurand", given_name="Zoé", family_name="Durand", phone="+33 3 20 00 00 00")
    write()
    receiver.requests.clear()
    return account


def write() -> None:
    """Without the pause between two tries."""
    Target.objects.update(paused_until=None)
    Replica.objects.waiting().update(due_at=timezone.now() - timedelta(seconds=1))
    write_due(target_name="webhook", connector=WebhookConnector)


def replica() -> Replica:
    return Replica.objects.get()


def release(account: Account) -> None:
    Lock.objects.all().delete()
    reopen_account(account, agent=None)


def close(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(end_date=timezone.localdate() - timedelta(days=1))


class TestEvents:
    def test_each_change_of_a_life_is_told_in_order(self, receiver):
        account = active_account(uid="zdurand")
        changes = [
            ("account.locked", "locked", lambda: lock_account(account=account, reason=LockReason.PHISHING)),
            ("account.released", "to-reactivate", lambda: release(account)),
            (
                "account.activated",
                "active",
                lambda: set_password(account=account, password=ANOTHER_PASSWORD, event=Event.USER_REACTIVATED),
            ),
            (
                "account.password_changed",
                "active",
                lambda: change_password(account=reloaded(account), password=ANOTHER_PASSWORD),
            ),
            ("account.updated", "active", lambda: Account.objects.update(family_name="Martin")),
            ("account.closed", "closed", lambda: close(account)),
        ]
        write()
        assert receiver.events()[0]["type"] == "account.activated"

        for kind, state, change in changes:
            change()
            write()
            event = receiver.events()[-1]
            assert (event["type"], event["data"]["state"]) == (kind, state)

        assert len(receiver.requests) == len(changes) + 1
        versions = [event["data"]["version"] for event in receiver.events()]
        assert versions == sorted(set(versions))

    def test_the_body_names_the_account_and_says_nothing_of_the_person(self, receiver, person):
        lock_account(account=person, reason=LockReason.PHISHING, comment="Camille a appelé")
        write()

        [request] = receiver.requests
        event = request.event
        assert list(event) == ["type", "timestamp", "data"]
        marked_at = replica().marked_at.isoformat()
        assert event["data"] == {
            "id": person.pk,
            "uid": "zdurand",
            "state": "locked",
            "version": replica().wanted,
            "time": marked_at,
        }
        assert event["timestamp"] == marked_at
        assert request.headers["content-type"] == "application/json"

    def test_nothing_personal_is_in_the_row_or_the_log(self, receiver, person, caplog):
        receiver.statuses = [500, 410]
        lock_account(account=person, reason=LockReason.PHISHING)
        write()
        write()

        kept = json.dumps(Replica.objects.values().get(), default=str) + json.dumps(
            Target.objects.values().get(), default=str
        )
        secrets = [person.login, person.recovery_address, "Zoé", "Durand", person.phone, person.password[10:], SECRET]
        for text in (kept, caplog.text, receiver.requests[0].body, str(receiver.requests[0].headers)):
            assert not [secret for secret in secrets if secret in text]

    def test_what_changes_nothing_sends_nothing(self, receiver, person):
        mark([person.pk], urgency=2)
        write()
        Account.objects.update(last_login=timezone.now())
        write()

        assert receiver.requests == []
        assert replica().status == "done"

    def test_a_better_hash_of_the_same_password_is_no_change(self, receiver, person):
        Account.objects.update(password=f"{person.password}x")
        write()

        assert receiver.requests == []

    def test_changes_that_follow_each_other_are_told_once(self, receiver, person):
        lock_account(account=person, reason=LockReason.PHISHING)
        release(person)
        write()

        assert receiver.types() == ["account.released"]

    def test_an_account_that_comes_back_is_activated_again(self, receiver, person):
        close(person)
        write()
        Account.objects.update(end_date=None)
        write()

        assert receiver.types() == ["account.closed", "account.activated"]

    def test_after_a_long_absence_the_account_is_pending_then_activated(self, receiver, person):
        close(person)
        write()
        Account.objects.update(end_date=None)
        start_anew([person.pk], actor=None)
        write()
        now = timezone.now()
        Account.objects.update(password=person.password, activated_at=now, password_changed_at=now)
        write()

        events = [(event["type"], event["data"]["state"]) for event in receiver.events()]
        assert events == [("account.closed", "closed"), ("account.updated", "pending"), ("account.activated", "active")]

    def test_erasure_is_told_with_the_names_that_the_service_knows(self, receiver, person):
        erase_person(account=person)
        write()

        [event] = receiver.events()
        assert (event["type"], event["data"]["uid"], event["data"]["state"]) == ("account.closed", "zdurand", "erased")

    def test_an_account_that_was_over_before_the_service_was_linked_is_not_told(self, receiver):
        person = active_account()
        close(person)
        pending_account()
        write()

        assert receiver.requests == []
        assert replica().status == "done"


class TestAnswers:
    def test_a_failure_is_tried_again_with_the_same_id_and_body(self, receiver, person):
        receiver.statuses = [500, 500]
        lock_account(account=person, reason=LockReason.PHISHING)
        start = timezone.now()
        write()

        waiting = replica()
        assert (waiting.status, waiting.attempts, waiting.answer) == ("waiting", 1, "HTTP 500")
        assert waiting.due_at < start + timedelta(seconds=40), "the sweep comes every 5 seconds"
        write()
        write()

        first, second, third = receiver.requests
        assert first.event
        assert first.body == second.body == third.body
        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
        assert replica().status == "done"

    def test_another_change_has_another_id(self, receiver, person):
        lock_account(account=person, reason=LockReason.PHISHING)
        write()
        release(person)
        write()

        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 2

    def test_a_service_that_is_gone_refuses(self, receiver, person):
        receiver.statuses = [410]
        lock_account(account=person, reason=LockReason.PHISHING)
        write()
        write()

        assert len(receiver.requests) == 1
        assert (replica().status, replica().answer) == ("refused", "HTTP 410")

    @pytest.mark.parametrize("status", [301, 307, 308])
    def test_a_redirect_is_not_followed(self, receiver, person, status):
        receiver.statuses, receiver.headers = [status], {"location": "/elsewhere"}
        lock_account(account=person, reason=LockReason.PHISHING)
        write()

        assert [request.path for request in receiver.requests] == ["/hook"]
        assert (replica().status, replica().answer) == ("waiting", f"HTTP {status}")

    @pytest.mark.parametrize("status", [401, 403, 404, 429, 502, 503, 504])
    def test_what_concerns_all_accounts_pauses_the_target(self, receiver, person, status):
        receiver.statuses = [status]
        lock_account(account=person, reason=LockReason.PHISHING)
        write()

        assert (replica().status, replica().attempts) == ("waiting", 0)
        assert Target.objects.get().answer == f"HTTP {status}"

    def test_a_service_that_cannot_be_reached_pauses_the_target_and_no_account_counts(self, receiver, person, settings):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            settings.PROVISIONING_WEBHOOK_URL = f"http://127.0.0.1:{taken.getsockname()[1]}/?key=hidden"
            lock_account(account=person, reason=LockReason.PHISHING)
            write()

        target = Target.objects.get()
        assert target.down_since
        assert target.paused_until > timezone.now()
        assert target.answer == "ConnectionError"
        assert (replica().status, replica().attempts) == ("waiting", 0)
        settings.PROVISIONING_WEBHOOK_URL = receiver.url
        write()
        assert receiver.types() == ["account.locked"]
        assert Target.objects.get().down_since is None

    @pytest.mark.parametrize(
        "dribble",
        [b"", b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nx-slow: ", b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n"],
        ids=["silent", "status", "headers", "body"],
    )
    def test_a_service_that_hangs_holds_a_worker_for_a_moment(self, receiver, person, settings, monkeypatch, dribble):
        monkeypatch.setattr(http, "ANSWER_TIMEOUT", 0.5)
        receiver.dribble = dribble
        lock_account(account=person, reason=LockReason.PHISHING)
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            if not dribble:
                settings.PROVISIONING_WEBHOOK_URL = f"http://127.0.0.1:{silent.getsockname()[1]}"
            start = time.monotonic()
            write()

        assert time.monotonic() - start < 2
        assert Target.objects.get().down_since
        assert (replica().status, replica().attempts) == ("waiting", 0)

    def test_nothing_is_sent_to_a_server_with_another_certificate(
        self, receiver, person, settings, monkeypatch, tmp_path
    ):
        authority, other = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        lock_account(account=person, reason=LockReason.PHISHING)
        for certificate in (other.issue_cert("127.0.0.1"), authority.issue_cert("autre.univ-exemple.fr")):
            with Receiver().running() as impostor:
                impostor.use_tls(certificate)
                settings.PROVISIONING_WEBHOOK_URL = impostor.url
                write()
            assert impostor.requests == []
            assert Target.objects.get().answer == "SSLError"

        receiver.use_tls(authority.issue_cert("127.0.0.1"))
        settings.PROVISIONING_WEBHOOK_URL = receiver.url
        write()
        assert receiver.types() == ["account.locked"]

    def test_one_connection_serves_a_batch(self, receiver):
        people = [active_account() for _number in range(5)]
        write()
        lock_accounts(accounts=people, reason=LockReason.PHISHING)
        write()

        assert receiver.types() == ["account.activated"] * 5 + ["account.locked"] * 5
        assert receiver.connections == 2


@pytest.fixture
def env(monkeypatch):
    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


class TestSettings:
    @pytest.mark.parametrize("url", ["https://hook.univ-exemple.fr/a?b=c", "http://127.0.0.1:8080", "http://[::1]/x"])
    def test_https_or_this_machine(self, env, url):
        env(PROVISIONING_WEBHOOK_URL=url, PROVISIONING_WEBHOOK_SECRET=SECRET)

        assert provisioning.service_url("PROVISIONING_WEBHOOK_URL", "PROVISIONING_WEBHOOK_SECRET") == url

    @pytest.mark.parametrize(
        "url",
        [
            "http://hook.univ-exemple.fr",
            "http://127.0.0.1.exemple.fr",
            "ftp://127.0.0.1",
            "https://a.fr/#b",
            "http://0.0.0.0",
        ],
    )
    def test_plain_http_elsewhere_is_refused(self, env, url):
        env(PROVISIONING_WEBHOOK_URL=url, PROVISIONING_WEBHOOK_SECRET=SECRET)

        with pytest.raises(ImproperlyConfigured, match="PROVISIONING_WEBHOOK_URL"):
            provisioning.service_url("PROVISIONING_WEBHOOK_URL", "PROVISIONING_WEBHOOK_SECRET")

    def test_a_url_needs_its_secret(self, env):
        env(PROVISIONING_WEBHOOK_URL="https://hook.univ-exemple.fr", PROVISIONING_WEBHOOK_SECRET="")

        with pytest.raises(ImproperlyConfigured, match="PROVISIONING_WEBHOOK_SECRET"):
            provisioning.service_url("PROVISIONING_WEBHOOK_URL", "PROVISIONING_WEBHOOK_SECRET")

    @pytest.mark.parametrize(
        "secret",
        [
            "secret",
            SECRET.removeprefix("whsec_"),
            "whsec_",
            "whsec_c2hvcnQ=",
            "whsec_é",
            f"whsec_{'A' * 88}",
            "whpk_" + "A" * 32,
        ],
    )
    def test_a_secret_of_another_kind_is_refused_at_start(self, env, secret):
        env(PROVISIONING_WEBHOOK_SECRET=secret)

        with pytest.raises(ImproperlyConfigured, match="whsec_"):
            provisioning.webhook_secret("PROVISIONING_WEBHOOK_SECRET")
