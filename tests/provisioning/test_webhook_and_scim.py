"""What services get over HTTP, a webhook or a real SCIM 2.0 server (scim2-server), and what their answers do."""

import json
import logging
import time
from contextlib import closing
from datetime import timedelta

import pytest
import trustme
from django.core.management import CommandError, call_command
from django.utils import timezone
from standardwebhooks import Webhook

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.locking.unlock import reopen_account
from accounts.models import Account, Lock
from accounts.passwords.services import change_password, set_password
from accounts.returns import start_anew
from journal.events import Event
from privacy.erasure import erase_person
from provisioning.apply import mark
from provisioning.connectors import http
from provisioning.connectors.scim import ScimConnector
from provisioning.connectors.scim_client import ScimClient
from provisioning.models import Replica, Target
from provisioning.targets import synchronise_targets
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account, reloaded
from tests.provisioning.receiver import TOKEN, Received, Receiver, ScimServer, write

#: Servers of their own answer, some of them slowly.
pytestmark = [pytest.mark.django_db, pytest.mark.processes]

SECRET, NEW = f"whsec_{'YWFh' * 8}", "vélo-nuage-citron-parquet"
LOGIN, PHONE, RECOVERY = "zoe@univ-exemple.fr", "+33 3 20 00 00 00", "z@exemple.net"
NAMES = {"uid": "zdurand", "institutional_address": LOGIN, "given_name": "Zoé", "family_name": "D’Ünal"}
WORK, HOME = {"value": LOGIN, "type": "work", "primary": True}, {"value": "zoe@maison.example", "type": "home"}
NAME = {"familyName": "D’Ünal", "givenName": "Zoé"}
USER = {"userName": "zdurand", "name": NAME, "displayName": "Zoé D’Ünal", "emails": [WORK], "active": True}
YESTERDAY = timezone.localdate() - timedelta(days=1)


@pytest.fixture
def webhook(settings):
    with Receiver().running() as server:
        settings.PROVISIONING_WEBHOOK_URL, settings.PROVISIONING_WEBHOOK_SECRET = server.url, SECRET
        settings.PROVISIONING_CONNECTORS = ["provisioning.connectors.webhook.WebhookConnector"]
        synchronise_targets()
        yield server


@pytest.fixture
def scim(settings):
    with ScimServer().running() as server:
        settings.PROVISIONING_SCIM_URL, settings.PROVISIONING_SCIM_TOKEN = server.url, TOKEN
        settings.PROVISIONING_CONNECTORS = ["provisioning.connectors.scim.ScimConnector"]
        synchronise_targets()
        yield server


def known_by(server: Receiver) -> Account:
    account = active_account(**NAMES, phone=PHONE, recovery_address=RECOVERY)
    write()
    server.requests.clear()
    return account


def row() -> tuple[str, int, str]:
    return Replica.objects.values_list("status", "attempts", "answer").get()


def lock(account: Account) -> None:
    lock_account(account=account, reason=LockReason.PHISHING, comment="Camille a appelé")


def release(account: Account) -> None:
    Lock.objects.all().delete()
    reopen_account(account, agent=None)


def event(request: Received) -> dict:
    """Raises WebhookVerificationError."""
    Webhook(SECRET).verify(request.body, request.headers)
    return json.loads(request.body)


LIFE = [
    (lock, "account.locked locked"),
    (release, "account.released to-reactivate"),
    (lambda one: set_password(account=one, password=NEW, event=Event.USER_REACTIVATED), "account.activated active"),
    (lambda one: change_password(account=one, password=NEW), "account.password_changed active"),
    (lambda one: Account.objects.update(family_name="Martin"), "account.updated active"),
    (lambda one: Account.objects.update(last_login=timezone.now(), password=f"{one.password}x"), None),
    (lambda one: mark([one.pk], urgency=2), None),
    (lambda one: Account.objects.update(end_date=YESTERDAY), "account.closed closed"),
    (lambda one: Account.objects.update(end_date=None), "account.activated active"),
    (lambda one: start_anew([one.pk], actor=None), "account.updated pending"),
    (lambda one: Account.objects.update(password="x", activated_at=timezone.now()), "account.activated active"),
    (lambda one: (lock(one), release(one)), "account.released to-reactivate"),
    (lambda one: erase_person(account=one), "account.closed erased"),
]


class TestWebhook:
    def test_each_change_of_a_life_is_told_once_and_in_order(self, webhook):
        person, expected = known_by(webhook), []
        for change, told in LIFE:
            change(reloaded(person))
            write()
            expected += [told] if told else []
            events = [event(request) for request in webhook.requests]
            assert [f"{one['type']} {one['data']['state']}" for one in events] == expected
        versions = [one["data"]["version"] for one in events]
        assert versions == sorted(set(versions))
        assert {one["data"]["uid"] for one in events} == {"zdurand"}, "as the service knows it, also after the erasure"

    def test_each_try_has_the_same_id_and_body_and_nothing_of_the_person(self, webhook, caplog):
        person = known_by(webhook)
        webhook.told = {"POST": [500, 410]}
        lock(person)
        write()
        write()
        refused = Replica.objects.get()
        release(person)
        write()

        first, second, another = webhook.requests
        time = refused.marked_at.isoformat()
        data = {"id": person.pk, "uid": "zdurand", "state": "locked", "version": refused.wanted, "time": time}
        assert event(first) == {"type": "account.locked", "timestamp": time, "data": data}
        assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
        assert event(another)["type"] == "account.released"
        assert another.headers["webhook-id"] != first.headers["webhook-id"]
        kept = str([first, refused.__dict__, *Replica.objects.values(), *Target.objects.values(), caplog.messages])
        private = [LOGIN, RECOVERY, PHONE, "Zoé", "Ünal", "Camille", person.password[10:], SECRET]
        assert not [text for text in private if text in kept]

    @pytest.mark.parametrize(
        "dribble",
        [b"", b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nslow: ", b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n"],
    )
    def test_a_slow_service_holds_no_worker(self, webhook, monkeypatch, dribble):
        lock(known_by(webhook))
        monkeypatch.setattr(http, "ANSWER_TIMEOUT", 0.5)
        webhook.dribble = dribble
        start = time.monotonic()
        write()
        assert time.monotonic() - start < 2
        assert (row(), bool(Target.objects.get().down_since)) == (("waiting", 0, ""), True)

    def test_a_service_that_is_away_or_has_another_certificate_gets_nothing(
        self, webhook, settings, monkeypatch, tmp_path
    ):
        authority, other = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        active_account()
        settings.PROVISIONING_WEBHOOK_URL = "http://127.0.0.1:9/?key=hidden"
        write()
        assert (row(), Target.objects.get().answer) == (("waiting", 0, ""), "ConnectionError"), "the key is not quoted"
        for certificate, answer in (
            (other.issue_cert("127.0.0.1"), "SSLError"),
            (authority.issue_cert("autre.univ-exemple.fr"), "SSLError"),
            (authority.issue_cert("127.0.0.1"), ""),
        ):
            with Receiver().running() as server:
                server.use_tls(certificate)
                settings.PROVISIONING_WEBHOOK_URL = server.url
                write()
            assert (bool(server.requests), Target.objects.get().answer) == (not answer, answer)


@pytest.fixture
def other(scim):
    """Another system that changes users."""
    with closing(ScimClient()) as client:
        yield client


class TestScim:
    def test_only_an_active_account_may_enter_and_what_is_right_is_only_read(self, scim):
        person = known_by(scim)
        assert scim.user() == {**USER, "externalId": str(person.pk)}
        for change, _told in LIFE[:-1]:
            change(reloaded(person))
            write()
            assert scim.user()["active"] is (Replica.objects.get().state == "active")
        assert scim.methods() == ["PATCH"] * 8
        assert {request.headers["authorization"] for request in scim.requests} == {f"Bearer {TOKEN}"}

    def test_no_password_hash_or_private_address_is_sent_and_no_person_or_token_is_logged(self, scim, caplog):
        person = active_account(**NAMES, phone=PHONE, recovery_address=RECOVERY)
        caplog.set_level(logging.DEBUG)
        write()
        scim.told, scim.told_body = {"PATCH": [400]}, json.dumps({"detail": f"{LOGIN} is refused"})
        set_password(account=person, password=NEW, event=Event.PASSWORD_CHANGED)
        lock(person)
        write()
        sent = str(scim.requests) + str(scim.users())
        private = ("argon2", "password", NEW, A_GOOD_PASSWORD, RECOVERY, PHONE, "Camille")
        assert not [text for text in private if text in sent]
        logged = str([record.getMessage() for record in caplog.records if record.name != "django.db.backends"])
        assert not [text for text in (TOKEN, LOGIN, "Ünal") if text in logged]
        assert row() == ("refused", 1, "HTTP 400"), "what quotes the person is left out"

    @pytest.mark.parametrize("without_patch", [[], [501], [405]])
    def test_a_change_writes_what_differs_and_leaves_what_others_wrote(self, scim, other, without_patch):
        person = known_by(scim)
        other.change(*other.find("userName", "zdurand"), {"title": "Professeure", "emails": [WORK, HOME]})
        scim.requests.clear()
        scim.told = {"PATCH": without_patch}
        Account.objects.update(given_name="", institutional_address="zoe.d@univ-exemple.fr")
        write()
        assert scim.user() == USER | {
            "externalId": str(person.pk),
            "title": "Professeure",
            "name": {"familyName": "D’Ünal"},
            "displayName": "D’Ünal",
            "emails": [HOME, {**WORK, "value": "zoe.d@univ-exemple.fr"}],
        }
        [patch] = [json.loads(request.body) for request in scim.requests if request.method == "PATCH"]
        assert {operation["path"] for operation in patch["Operations"]} == {"name.givenName", "displayName", "emails"}

    @pytest.mark.parametrize(("told", "left"), [([], 0), ([404], 1)], ids=["there", "gone meanwhile"])
    def test_erasure_deletes(self, scim, told, left):
        person = known_by(scim)
        scim.told = {"DELETE": told}
        erase_person(account=person)
        write()
        assert (row(), len(scim.users())) == (("done", 0, ""), left)

    @pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "made meanwhile"])
    def test_a_user_of_the_same_name_and_address_is_adopted(self, scim, other, monkeypatch, is_seen):
        emails = [{"value": LOGIN.upper(), "type": "work"}]
        other.create({"userName": "zdurand", "emails": emails, "title": "Professeure"})
        if not is_seen:
            monkeypatch.setattr(ScimConnector, "read", lambda self, uids: {})
        person = known_by(scim)
        assert (scim.user()["externalId"], scim.user()["title"]) == (str(person.pk), "Professeure")

    @pytest.mark.parametrize("made", [{"externalId": "0"}, {"emails": [{"value": "zdurand@autre.example"}]}])
    def test_a_user_of_another_origin_is_left_alone(self, scim, other, made):
        other.create({"userName": "zdurand", **made})
        before = scim.users()
        person = known_by(scim)
        assert row()[0] == "conflict"
        erase_person(account=person)
        write()
        assert scim.users() == before

    def test_a_user_that_is_called_otherwise_there_is_found_by_its_number(self, scim, other):
        lock(known_by(scim))
        other.change(*other.find("userName", "zdurand"), {"userName": "zoe"})
        write()
        assert (scim.user()["userName"], scim.user()["active"]) == ("zdurand", False)

    def test_a_user_that_another_system_has_suspended_is_for_an_agent(self, scim, other):
        known_by(scim)
        other.change(*other.find("userName", "zdurand"), {"active": False})
        for is_confirmed, status in ((False, "conflict"), (True, "done")):
            Replica.objects.update(status="waiting", is_confirmed=is_confirmed)
            write()
            assert (row()[0], scim.user()["active"]) == (status, is_confirmed)

    def test_a_server_that_ignores_filters_never_changes_another_user(self, scim):
        another = {"totalResults": 1, "Resources": [{"id": "1", "userName": "another"}]}
        scim.told, scim.told_body = {"GET": [200]}, json.dumps(another)
        active_account(**NAMES)
        write()
        assert scim.methods() == ["POST"]

    def test_an_error_for_one_account_does_not_stop_the_others_but_three_in_a_row_do(self, scim):
        for errors, pause in ((1, ""), (3, "HTTP 500")):
            active_account(), active_account(), active_account()
            scim.told = {"POST": [500] * errors}
            write()
            assert (len(scim.users()), Target.objects.get().answer) == (2, pause)

    def test_a_worker_with_an_old_view_cannot_write_it_back(self, scim, other):
        known_by(scim)
        [user] = other.find("userName", "zdurand")
        other.change(user, {"active": False})
        assert other.change(user, {"active": True}).status == 412

    def test_check_names_what_differs_and_repair_writes_it(self, scim, other, capsys, monkeypatch):
        monkeypatch.setattr("provisioning.connectors.scim_client.PAGE", 2)
        for uid in ("changed", "deleted", "right"):
            active_account(uid=uid, given_name="Ana")
        active_account(end_date=YESTERDAY)
        write()
        call_command("provision", check=True)
        assert capsys.readouterr().out == ""

        other.change(*other.find("userName", "changed"), {"name.givenName": "Eva"})
        other.delete(*other.find("userName", "deleted"))
        other.create({"userName": "orphan", "externalId": "99999"})
        other.create({"userName": "foreign", "externalId": "other-system"})
        with pytest.raises(CommandError):
            call_command("provision", check=True, repair=True)
        printed = [line for line in capsys.readouterr().out.splitlines() if line.count(": ") == 2]
        assert [line.removeprefix("scim: ") for line in sorted(set(printed))] == [
            "changed: name.givenName",
            "deleted: no user",
            "orphan: an entry without an account",
        ]
        names = {user["userName"]: user.get("name", {}).get("givenName") for user in scim.users()}
        assert names == {"changed": "Ana", "deleted": "Ana", "right": "Ana", "orphan": None, "foreign": None}

    def test_probe(self, scim, capsys):
        call_command("provision", probe=True)
        assert capsys.readouterr().out.count("scim: ok") == 3


@pytest.mark.parametrize("service", ["webhook", "scim"])
def test_accounts_that_were_over_or_pending_before_it_was_linked_are_not_told(request, service):
    server = request.getfixturevalue(service)
    active_account(end_date=YESTERDAY)
    pending_account()
    write()
    assert ({received.method for received in server.requests} - {"GET"}, row()) == (set(), ("done", 0, ""))


ODD = "HTTP {}: too odd"


@pytest.mark.parametrize(
    ("service", "method", "codes", "expected", "pause"),
    [
        ("webhook", "POST", [410], ("refused", 1, "HTTP {}"), ""),
        ("webhook", "POST", [301, 307, 308, 400, 500], ("waiting", 1, "HTTP {}"), ""),
        ("webhook", "POST", [401, 403, 404, 429, 502, 503, 504], ("waiting", 0, ""), "HTTP {}"),
        ("scim", "PATCH", [400, 413], ("refused", 1, ODD), ""),
        ("scim", "PATCH", [409], ("conflict", 1, ODD), ""),
        ("scim", "PATCH", [429, 500], ("waiting", 1, ODD), ""),
        ("scim", "PATCH", [302, 401, 403, 502, 503], ("waiting", 0, ""), "HTTP {}"),
        ("scim", "GET", [200, 302, 401, 403, 404, 500, 503], ("waiting", 0, ""), "HTTP {}"),
        ("scim", "PATCH", [404, 412], ("done", 0, ""), ""),
    ],
)
def test_an_answer_concerns_one_account_or_the_service(request, service, method, codes, expected, pause):
    server = request.getfixturevalue(service)
    known_by(server)
    for code in codes:
        Replica.objects.update(attempts=0)
        server.told, server.told_body = {method: [code]}, '{"detail": "too odd"}'
        Account.objects.update(given_name=f"Zoé {code}")
        write()
        status, attempts, answer = expected
        assert row() == (status, attempts, answer.format(code))
        assert Target.objects.get().answer[:8] == pause.format(code)
    assert "/elsewhere" not in {received.path for received in server.requests}, "a redirect is not followed"
