"""Accounts at a real SCIM 2.0 server (scim2-server)."""

import json
import logging
from contextlib import closing
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.locking.unlock import reopen_account
from accounts.models import Account, Lock
from accounts.passwords.services import set_password
from journal.events import Event
from privacy.erasure import erase_person
from provisioning.apply import mark
from provisioning.connectors.scim import ScimConnector
from provisioning.connectors.scim_client import ScimClient
from provisioning.models import Replica, Target
from provisioning.targets import synchronise_targets
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.provisioning.receiver import write_again
from tests.provisioning.scim import TOKEN, ScimServer

pytestmark = pytest.mark.django_db

LOGIN = "zoe@univ-exemple.fr"
NAMES = {"uid": "zdurand", "institutional_address": LOGIN, "given_name": "Zoé", "family_name": "D’Ünal"}
WORK, HOME = {"value": LOGIN, "type": "work", "primary": True}, {"value": "zoe@maison.example", "type": "home"}
YESTERDAY = timezone.localdate() - timedelta(days=1)


@pytest.fixture
def server(settings):
    with ScimServer().running() as running:
        settings.PROVISIONING_SCIM_URL = running.url
        settings.PROVISIONING_SCIM_TOKEN = TOKEN
        settings.PROVISIONING_CONNECTORS = ["provisioning.connectors.scim.ScimConnector"]
        synchronise_targets()
        yield running


@pytest.fixture
def person(server) -> Account:
    """The service has their user."""
    account = active_account(**NAMES, recovery_address="z@exemple.net")
    write()
    server.requests.clear()
    return account


def write() -> None:
    write_again(ScimConnector)


def row() -> Replica:
    return Replica.objects.get()


def lock(account: Account) -> None:
    lock_account(account=account, reason=LockReason.PHISHING)


def made_elsewhere(server: ScimServer, **attributes: object) -> None:
    with closing(ScimClient()) as client:
        assert client.create({"userName": "zdurand", **attributes}).status == 201
    server.requests.clear()


def changed_elsewhere(server: ScimServer, changes: dict[str, object]) -> None:
    with closing(ScimClient()) as client:
        [user] = client.find("userName", "zdurand")
        assert client.change(user, changes).is_success
    server.requests.clear()


class TestUsers:
    def test_only_an_active_account_may_enter_and_what_is_right_is_only_read(self, server):
        person = active_account(**NAMES)
        changes = [
            (lambda: None, "active", True),
            (lambda: mark([person.pk], urgency=2), "active", True),
            (lambda: lock(person), "locked", False),
            (lambda: (Lock.objects.all().delete(), reopen_account(person, agent=None)), "to-reactivate", False),
            (
                lambda: set_password(account=person, password=A_GOOD_PASSWORD, event=Event.USER_REACTIVATED),
                "active",
                True,
            ),
            (lambda: Account.objects.update(end_date=YESTERDAY), "closed", False),
        ]
        for change, state, may_enter in changes:
            change()
            write()
            assert (row().status, row().state) == ("done", state)
            assert server.user() == {
                "externalId": str(person.pk),
                "userName": "zdurand",
                "name": {"familyName": "D’Ünal", "givenName": "Zoé"},
                "displayName": "Zoé D’Ünal",
                "emails": [WORK],
                "active": may_enter,
            }
        assert server.methods() == ["POST", "PATCH", "PATCH", "PATCH"]
        assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {TOKEN}"}

    def test_no_password_hash_or_private_address_is_sent_and_nothing_of_the_person_is_logged(
        self, server, person, caplog
    ):
        caplog.set_level(logging.DEBUG)
        server.told, server.told_body = {"PATCH": [400]}, json.dumps({"detail": f"{LOGIN} is refused"})
        set_password(account=person, password="vélo-nuage-citron-parquet", event=Event.PASSWORD_CHANGED)
        lock(person)
        write()
        sent = str(server.requests) + str(server.users())
        assert not [word for word in ("argon2", "password", "vélo", A_GOOD_PASSWORD, "z@exemple.net") if word in sent]

        logged = [record.getMessage() for record in caplog.records if record.name != "django.db.backends"]
        assert not [line for line in logged if any(word in line for word in (TOKEN, LOGIN, "Ünal"))]
        assert row().answer == "HTTP 400", "what quotes the person is left out"

    @pytest.mark.parametrize("status", [None, 501, 405], ids=["PATCH", "PUT-501", "PUT-405"])
    def test_a_change_writes_what_differs_and_leaves_what_others_wrote(self, server, person, status):
        changed_elsewhere(server, {"title": "Professeure", "emails": [WORK, HOME]})
        server.told = {"PATCH": [status]} if status else {}
        Account.objects.update(given_name="", institutional_address="zoe.d@univ-exemple.fr")
        write()

        assert server.user() == {
            "externalId": str(person.pk),
            "userName": "zdurand",
            "title": "Professeure",
            "name": {"familyName": "D’Ünal"},
            "displayName": "D’Ünal",
            "emails": [HOME, {**WORK, "value": "zoe.d@univ-exemple.fr"}],
            "active": True,
        }
        [patch] = [json.loads(request.body) for request in server.requests if request.method == "PATCH"]
        assert {operation["path"] for operation in patch["Operations"]} == {"name.givenName", "displayName", "emails"}

    @pytest.mark.parametrize("told", [[], [404]], ids=["there", "gone meanwhile"])
    def test_erasure_deletes(self, server, person, told):
        server.told = {"DELETE": told}
        erase_person(account=person)
        write()
        assert (row().status, row().state, len(server.users())) == ("done", "erased", len(told))

    def test_no_user_is_made_for_an_account_that_is_over(self, server):
        active_account(end_date=YESTERDAY)
        write()
        assert (server.users(), row().status) == ([], "done")


class TestUsersOfOthers:
    @pytest.mark.parametrize("methods", [["PATCH"], ["POST", "PATCH"]], ids=["seen", "made meanwhile"])
    def test_a_user_of_the_same_name_and_address_is_adopted(self, server, monkeypatch, methods):
        made_elsewhere(server, emails=[{"value": LOGIN.upper(), "type": "work"}], title="Professeure")
        if "POST" in methods:
            monkeypatch.setattr(ScimConnector, "read", lambda self, uids: {})
        person = active_account(**NAMES)
        write()
        assert server.methods() == methods
        assert (server.user()["externalId"], server.user()["title"]) == (str(person.pk), "Professeure")

    def test_a_user_that_is_called_otherwise_there_is_found_by_its_number(self, server, person):
        changed_elsewhere(server, {"userName": "zoe"})
        lock(person)
        write()
        assert (server.user()["userName"], server.user()["active"]) == ("zdurand", False)

    @pytest.mark.parametrize("attributes", [{"externalId": "0"}, {"emails": [{"value": "zdurand@autre.example"}]}])
    def test_a_user_of_another_origin_is_left_alone(self, server, attributes):
        made_elsewhere(server, **attributes)
        before = server.users()
        person = active_account(**NAMES)
        write()
        assert row().status == "conflict"

        erase_person(account=person)
        write()
        assert server.users() == before

    def test_a_user_that_another_system_has_suspended_is_for_an_agent(self, server, person):
        changed_elsewhere(server, {"active": False})
        Account.objects.update(given_name="Zoë")
        write()
        assert (row().status, server.user()["active"]) == ("conflict", False)

        Replica.objects.update(status="waiting", is_confirmed=True)
        write()
        assert (row().status, server.user()["active"]) == ("done", True)

    def test_a_server_that_ignores_filters_changes_another_user_never(self, server):
        another = {"totalResults": 1, "Resources": [{"id": "1", "userName": "another"}]}
        server.told, server.told_body = {"GET": [200]}, json.dumps(another)
        active_account(**NAMES)
        write()
        assert server.methods() == ["POST"]


class TestAnswers:
    @pytest.mark.parametrize(
        ("statuses", "status", "attempts", "answer", "pause"),
        [
            ([302, 401, 403, 502, 503], "waiting", 0, "", "HTTP {}"),
            ([400, 413], "refused", 1, "HTTP {}: too odd", ""),
            ([409], "conflict", 1, "HTTP {}: too odd", ""),
            ([429, 500], "waiting", 1, "HTTP {}: too odd", ""),
            ([404, 412], "done", 0, "", ""),
        ],
    )
    def test_an_answer_concerns_one_account_or_the_service(
        self, server, person, statuses, status, attempts, answer, pause
    ):
        server.told_body = json.dumps({"detail": "too odd"})
        for code in statuses:
            Replica.objects.update(attempts=0)
            server.told = {"PATCH": [code]}
            Account.objects.update(given_name=f"Zoé {code}")
            write()
            assert (row().status, row().attempts, row().answer) == (status, attempts, answer.format(code))
            assert Target.objects.get().answer == pause.format(code)

    @pytest.mark.parametrize(
        ("code", "body"),
        [
            *((code, "") for code in (302, 401, 403, 404, 500, 503)),
            *((200, body) for body in ("", "<html>", "[]", '{"totalResults": "1"}')),
            (200, '{"totalResults": 1, "Resources": [1]}'),
        ],
    )
    def test_a_server_that_gives_no_users_is_down(self, server, person, code, body):
        server.told, server.told_body = {"GET": [code]}, body
        lock(person)
        write()
        assert (row().status, row().attempts, bool(Target.objects.get().down_since)) == ("waiting", 0, True)
        assert server.methods() == []

    def test_an_error_for_one_account_does_not_stop_the_others_but_three_in_a_row_do(self, server):
        people = [active_account() for _number in range(4)]
        server.told = {"POST": [500]}
        write()
        assert len(server.users()) == 3

        write()
        for person in people:
            lock(person)
        server.told = {"PATCH": [500] * 3}
        write()
        assert Target.objects.get().answer == "HTTP 500"

    def test_a_worker_with_an_old_view_cannot_write_it_back(self, server, person):
        with closing(ScimClient()) as client:
            [user] = client.find("userName", "zdurand")
            client.change(user, {"active": False})
            assert client.change(user, {"active": True}).status == 412


class TestCommand:
    def test_check_names_what_differs_and_repair_writes_it(self, server, capsys, monkeypatch):
        monkeypatch.setattr("provisioning.connectors.scim_client.PAGE", 2)
        for uid in ("renamed", "suspended", "deleted", "right"):
            active_account(uid=uid)
        active_account(end_date=YESTERDAY)
        write()
        call_command("provision", check=True)
        assert capsys.readouterr().out == ""

        with closing(ScimClient()) as client:
            renamed, suspended, deleted = [
                client.find("userName", uid)[0] for uid in ("renamed", "suspended", "deleted")
            ]
            client.change(renamed, {"name.givenName": "Eva", "displayName": ""})
            client.change(suspended, {"active": False})
            client.delete(deleted)
            client.create({"userName": "orphan", "externalId": "99999"})
            client.create({"userName": "other", "externalId": "other-system"})
        with pytest.raises(CommandError) as failed:
            call_command("provision", check=True, repair=True)
        assert failed.value.returncode == 1
        assert set(capsys.readouterr().out.splitlines()) == {
            "scim: deleted: no user",
            "scim: orphan: an entry without an account",
            "scim: renamed: name.givenName, displayName",
            "scim: suspended: is suspended in the directory, and not by the portal",
        }
        right = {user["userName"]: user for user in server.users()}
        assert {"deleted", "orphan", "other"} < set(right)
        assert (right["renamed"]["name"]["givenName"] != "Eva", right["suspended"]["active"]) == (True, False)

    def test_probe(self, server, settings, capsys):
        call_command("provision", probe=True)
        assert capsys.readouterr().out.count("scim: ok") == 3

        settings.PROVISIONING_SCIM_TOKEN = "wrong"
        with pytest.raises(CommandError, match="HTTP 401") as failed:
            call_command("provision", probe=True)
        assert failed.value.returncode == 2
