"""A service of the university is told of each account that changes, and nothing about the person."""

import json
import time
from datetime import timedelta

import pytest
import trustme
from django.utils import timezone
from standardwebhooks import Webhook

from accounts.enums import LockReason
from accounts.locking.lock import lock_account, lock_accounts
from accounts.locking.unlock import reopen_account
from accounts.models import Account, Lock
from accounts.passwords.services import change_password, set_password
from accounts.returns import start_anew
from journal.events import Event
from privacy.erasure import erase_person
from provisioning.apply import mark
from provisioning.connectors import http
from provisioning.connectors.webhook import WebhookConnector
from provisioning.models import Replica, Target
from provisioning.targets import synchronise_targets
from tests.factories import active_account, pending_account, reloaded
from tests.provisioning.receiver import Received, Receiver, write_again

pytestmark = pytest.mark.django_db

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "vélo-nuage-citron-parquet"


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
    write_again(WebhookConnector)
    receiver.requests.clear()
    return account


def verified(request: Received) -> dict:
    """Raises WebhookVerificationError."""
    Webhook(SECRET).verify(request.body, request.headers)
    return json.loads(request.body)


def found() -> tuple[str, int, str]:
    return Replica.objects.values_list("status", "attempts", "answer").get()


def told(receiver: Receiver) -> list[str]:
    events = [verified(request) for request in receiver.requests]
    return [f"{event['type']} {event['data']['state']}" for event in events]


def lock(account: Account) -> None:
    lock_account(account=account, reason=LockReason.PHISHING, comment="Camille a appelé")


def release(account: Account) -> None:
    Lock.objects.all().delete()
    reopen_account(account, agent=None)


def end(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(end_date=timezone.localdate() - timedelta(days=1))


def activate(account: Account) -> None:
    now = timezone.now()
    Account.objects.update(password="argon2$x", activated_at=now, password_changed_at=now)


LIFE = [
    (lock, "account.locked locked"),
    (release, "account.released to-reactivate"),
    (lambda one: set_password(account=one, password=NEW, event=Event.USER_REACTIVATED), "account.activated active"),
    (lambda one: change_password(account=one, password=NEW), "account.password_changed active"),
    (lambda one: Account.objects.update(family_name="Martin"), "account.updated active"),
    (lambda one: Account.objects.update(last_login=timezone.now()), None),
    (lambda one: Account.objects.update(password=f"{one.password}x"), None),
    (lambda one: mark([one.pk], urgency=2), None),
    (end, "account.closed closed"),
    (lambda one: Account.objects.update(end_date=None), "account.activated active"),
    (end, "account.closed closed"),
    (lambda one: (Account.objects.update(end_date=None), start_anew([one.pk], actor=None)), "account.updated pending"),
    (activate, "account.activated active"),
    (lambda one: (lock(one), release(one)), "account.released to-reactivate"),
    (lambda one: erase_person(account=one), "account.closed erased"),
]


def test_each_change_of_a_life_is_told_once_and_in_order(receiver, person):
    expected = []
    for change, event in LIFE:
        change(reloaded(person))
        write_again(WebhookConnector)
        expected += [event] if event else []
        assert told(receiver) == expected

    data = [verified(request)["data"] for request in receiver.requests]
    versions = [one["version"] for one in data]
    assert versions == sorted(set(versions))
    assert {one["uid"] for one in data} == {"zdurand"}, "as the service knows it, also after the erasure"


def test_accounts_that_were_over_or_pending_before_the_service_was_linked_are_not_told(receiver):
    end(active_account())
    pending_account()
    write_again(WebhookConnector)

    assert (receiver.requests, Replica.objects.get().status) == ([], "done")


def test_each_try_has_the_same_id_and_body_and_nothing_of_the_person_is_sent_kept_or_logged(receiver, person, caplog):
    receiver.told = {"POST": [500, 410]}
    lock(person)
    write_again(WebhookConnector)
    write_again(WebhookConnector)
    row = Replica.objects.get()
    release(person)
    write_again(WebhookConnector)

    first, second, another = receiver.requests
    marked_at = row.marked_at.isoformat()
    data = {"id": person.pk, "uid": "zdurand", "state": "locked", "version": row.wanted, "time": marked_at}
    assert verified(first) == {"type": "account.locked", "timestamp": marked_at, "data": data}
    assert first.headers["content-type"] == "application/json"
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert verified(another)["type"] == "account.released"
    assert another.headers["webhook-id"] != first.headers["webhook-id"]
    kept = [*Replica.objects.values(), *Target.objects.values(), row.__dict__, first.__dict__, caplog.messages]
    private = [person.login, person.recovery_address, "Zoé", "Durand", "Camille", person.phone, person.password[10:]]
    assert not [secret for secret in (*private, SECRET) if secret in str(kept)]


@pytest.mark.parametrize(
    ("statuses", "row", "pause"),
    [
        ([410], ("refused", 1, "HTTP {}"), ""),
        ([301, 307, 308, 400, 500], ("waiting", 1, "HTTP {}"), ""),
        ([401, 403, 404, 429, 502, 503, 504], ("waiting", 0, ""), "HTTP {}"),
    ],
)
def test_an_answer_concerns_one_account_or_the_service(receiver, person, statuses, row, pause):
    for code in statuses:
        Replica.objects.update(attempts=0)
        receiver.told = {"POST": [code]}
        Account.objects.update(given_name=f"Zoé {code}")
        write_again(WebhookConnector)
        status, attempts, answer = row
        assert found() == (status, attempts, answer.format(code))
        assert Target.objects.get().answer == pause.format(code)
    assert {request.path for request in receiver.requests} == {"/hook"}, "a redirect is not followed"


@pytest.mark.parametrize(
    "dribble",
    [b"", b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nslow: ", b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n"],
)
def test_a_service_that_hangs_holds_a_worker_for_a_moment(receiver, person, monkeypatch, dribble):
    monkeypatch.setattr(http, "ANSWER_TIMEOUT", 0.5)
    receiver.dribble = dribble
    lock(person)
    start = time.monotonic()
    write_again(WebhookConnector)
    assert time.monotonic() - start < 2
    assert Target.objects.get().down_since
    assert found() == ("waiting", 0, "")


def test_a_service_that_cannot_be_reached_is_down_and_its_key_is_not_quoted(receiver, person, settings):
    settings.PROVISIONING_WEBHOOK_URL = "http://127.0.0.1:9/?key=hidden"
    lock(person)
    write_again(WebhookConnector)
    assert (Target.objects.get().answer, found()) == ("ConnectionError", ("waiting", 0, ""))


def test_nothing_is_sent_to_a_server_with_another_certificate(receiver, person, settings, monkeypatch, tmp_path):
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    lock(person)
    for certificate, answer in (
        (other.issue_cert("127.0.0.1"), "SSLError"),
        (authority.issue_cert("autre.univ-exemple.fr"), "SSLError"),
        (authority.issue_cert("127.0.0.1"), ""),
    ):
        with Receiver().running() as server:
            server.use_tls(certificate)
            settings.PROVISIONING_WEBHOOK_URL = server.url
            write_again(WebhookConnector)
        assert (bool(server.requests), Target.objects.get().answer) == (not answer, answer)


def test_one_connection_serves_a_batch(receiver):
    lock_accounts(accounts=[active_account() for _number in range(5)], reason=LockReason.PHISHING)
    write_again(WebhookConnector)
    assert (len(receiver.requests), len({request.client for request in receiver.requests})) == (5, 1)
