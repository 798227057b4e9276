"""Accounts at a real SCIM 2.0 server (scim2-server)."""

import json
import logging
import time
from datetime import timedelta
from unittest.mock import ANY

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.locking.unlock import reopen_account
from accounts.models import Account, Lock
from accounts.passwords.services import set_password
from config import provisioning
from journal.events import Event
from privacy.erasure import erase_person
from provisioning.apply import mark, write_due
from provisioning.connector import TargetDown
from provisioning.connectors import scim_client
from provisioning.connectors.scim import ScimConnector
from provisioning.models import Replica, Target
from provisioning.targets import synchronise_targets
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.provisioning.scim import TOKEN, ScimServer

pytestmark = pytest.mark.django_db

LOGIN = "zoe@univ-exemple.fr"


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
    account = new_person()
    write()
    server.requests.clear()
    return account


def new_person() -> Account:
    return active_account(
        uid="zdurand",
        institutional_address=LOGIN,
        given_name="Zoé",
        family_name="D’Ünal",
        recovery_address="z@exemple.net",
    )


def write() -> None:
    """Without the pause between two tries."""
    Target.objects.update(paused_until=None)
    Replica.objects.waiting().update(due_at=timezone.now() - timedelta(seconds=1))
    write_due(target_name="scim", connector=ScimConnector)


def replica() -> Replica:
    return Replica.objects.get()


def lock(account: Account) -> None:
    lock_account(account=account, reason=LockReason.PHISHING)


def close(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(end_date=timezone.localdate() - timedelta(days=1))


def put(server: ScimServer, **attributes: object) -> None:
    """By another system."""
    client = scim_client.ScimClient()
    assert client.create({"userName": "zdurand", **attributes}).status == 201
    client.close()
    server.requests.clear()


class TestUsers:
    def test_an_active_account_is_a_user_that_may_enter(self, server):
        person = new_person()
        write()

        assert server.user() == {
            "externalId": str(person.pk),
            "userName": "zdurand",
            "name": {"familyName": "D’Ünal", "givenName": "Zoé"},
            "displayName": "Zoé D’Ünal",
            "emails": [{"value": LOGIN, "type": "work", "primary": True}],
            "active": True,
        }
        assert {request.authorization for request in server.requests} == {f"Bearer {TOKEN}"}
        assert (replica().status, replica().state) == ("done", "active")

    def test_no_password_hash_or_private_address_is_sent(self, server, person):
        set_password(account=person, password="vélo-nuage-citron-parquet", event=Event.PASSWORD_CHANGED)
        lock(person)
        write()

        sent = json.dumps([request.__dict__ for request in server.requests]) + json.dumps(server.users())
        assert not [word for word in ("argon2", "password", A_GOOD_PASSWORD, "z@exemple.net") if word in sent]

    def test_only_active_accounts_may_enter(self, server, person):
        found = []
        for change in (
            lambda: lock(person),
            lambda: (Lock.objects.all().delete(), reopen_account(person, agent=None)),
            lambda: set_password(account=person, password=A_GOOD_PASSWORD, event=Event.USER_REACTIVATED),
            lambda: close(person),
        ):
            change()
            write()
            found.append((replica().state, server.user()["active"]))

        assert found == [("locked", False), ("to-reactivate", False), ("active", True), ("closed", False)]
        assert server.methods() == ["PATCH", "PATCH", "PATCH"], "released and locked are the same there"

    def test_a_change_writes_what_differs_and_leaves_what_others_wrote(self, server, person):
        client = scim_client.ScimClient()
        home = {"value": "zoe@maison.example", "type": "home"}
        [user] = client.find("userName", "zdurand")
        assert client.change(user, {"title": "Professeure", "emails": [*user["emails"], home]}).is_success
        client.close()
        server.requests.clear()

        Account.objects.update(family_name="Martin", institutional_address="zoe.martin@univ-exemple.fr")
        write()

        assert server.user() | {"externalId": ANY} == {
            "externalId": ANY,
            "userName": "zdurand",
            "title": "Professeure",
            "name": {"familyName": "Martin", "givenName": "Zoé"},
            "displayName": "Zoé Martin",
            "emails": [
                {"value": "zoe@maison.example", "type": "home"},
                {"value": "zoe.martin@univ-exemple.fr", "type": "work", "primary": True},
            ],
            "active": True,
        }
        paths = {operation["path"] for operation in json.loads(server.requests[-1].body)["Operations"]}
        assert paths == {"name.familyName", "displayName", "emails"}

    def test_a_person_with_one_name(self, server, person):
        Account.objects.update(given_name="")
        write()
        assert server.user()["name"] == {"familyName": "D’Ünal"}

        server.storage.resources = []
        mark([person.pk], urgency=1)
        write()
        assert server.user()["name"] == {"familyName": "D’Ünal"}

    def test_what_is_right_already_is_read_only(self, server, person):
        mark([person.pk], urgency=2)
        write()

        assert server.methods() == []
        assert replica().status == "done"

    def test_a_server_without_patch_gets_whole_users(self, server, person):
        for status in (501, 405):
            server.failures = {"PATCH": [status]}
            Account.objects.update(given_name=f"Zoé {status}")
            write()

            assert server.user()["name"] == {"familyName": "D’Ünal", "givenName": f"Zoé {status}"}
        assert server.methods() == ["PATCH", "PUT"] * 2

    def test_erasure_deletes(self, server, person):
        erase_person(account=person)
        write()

        assert server.users() == []
        assert (replica().status, replica().state) == ("done", "erased")

    def test_erasure_of_a_user_that_is_gone_meanwhile_is_done(self, server, person):
        erase_person(account=person)
        server.failures = {"DELETE": [404]}
        write()
        assert replica().status == "done"

    def test_an_account_that_is_over_is_not_made(self, server):
        close(new_person())
        write()

        assert (server.users(), replica().status) == ([], "done")


class TestUsersOfOthers:
    def test_a_user_of_the_same_name_and_address_is_adopted(self, server):
        put(server, emails=[{"value": LOGIN.upper(), "type": "work"}], title="Professeure")
        person = new_person()
        write()

        assert server.user()["externalId"] == str(person.pk)
        assert server.user()["title"] == "Professeure"

    def test_a_user_that_appears_between_look_and_write_is_adopted(self, server, monkeypatch):
        put(server)
        person = new_person()
        monkeypatch.setattr(ScimConnector, "read", lambda self, uids: {})
        write()

        assert server.methods() == ["POST", "PATCH"]
        assert server.user()["externalId"] == str(person.pk)

    def test_a_user_that_is_called_otherwise_there_is_found_by_its_number(self, server, person):
        client = scim_client.ScimClient()
        client.change(client.find("userName", "zdurand")[0], {"userName": "zoe"})
        client.close()
        lock(person)
        write()

        assert (server.user()["userName"], server.user()["active"]) == ("zdurand", False)

    @pytest.mark.parametrize(
        "attributes", [{"externalId": "0"}, {"emails": [{"value": "zdurand@autre.example"}]}], ids=["number", "address"]
    )
    def test_a_user_of_another_origin_is_left_alone(self, server, attributes):
        put(server, **attributes)
        before = server.users()
        person = new_person()
        write()
        assert replica().status == "conflict"

        erase_person(account=person)
        write()
        assert server.users() == before

    def test_a_user_that_another_system_has_suspended_is_for_an_agent(self, server, person):
        client = scim_client.ScimClient()
        client.change(client.find("userName", "zdurand")[0], {"active": False})
        client.close()
        Account.objects.update(given_name="Zoë")
        write()
        assert (replica().status, server.user()["active"]) == ("conflict", False)

        Replica.objects.update(status="waiting", is_confirmed=True)
        write()
        assert (replica().status, server.user()["active"]) == ("done", True)


class TestAnswers:
    @pytest.mark.parametrize("status", [302, 401, 403, 502, 503])
    @pytest.mark.parametrize("method", ["GET", "PATCH"])
    def test_what_concerns_all_accounts_pauses_the_target(self, server, person, method, status):
        server.failures = {method: [status]}
        lock(person)
        write()

        assert (replica().status, replica().attempts) == ("waiting", 0)
        assert str(status) in Target.objects.get().answer
        write()
        assert server.user()["active"] is False

    @pytest.mark.parametrize(("status", "row"), [(400, "refused"), (413, "refused"), (409, "conflict")])
    def test_a_refusal_is_of_one_account(self, server, person, status, row):
        server.failures, server.detail = {"PATCH": [status]}, "name.familyName: zdurand is too odd"
        lock(person)
        write()

        assert (replica().status, replica().answer) == (row, f"HTTP {status}"), "what quotes the person is left out"
        assert Target.objects.get().down_since is None

    def test_the_words_of_a_refusal_are_kept(self, server, person):
        server.failures, server.detail = {"PATCH": [400]}, "displayName is read only"
        lock(person)
        write()

        assert replica().answer == "HTTP 400: displayName is read only"

    @pytest.mark.parametrize("status", [429, 500])
    def test_other_failures_are_tried_again(self, server, person, status):
        server.failures = {"PATCH": [status]}
        lock(person)
        write()
        assert (replica().status, replica().attempts, replica().answer) == ("waiting", 1, f"HTTP {status}")

        write()
        assert server.user()["active"] is False

    def test_one_account_that_the_server_fails_on_does_not_stop_the_others_and_three_pause_it(self, server):
        people = [active_account() for _number in range(4)]
        server.failures = {"POST": [500]}
        write()
        assert len(server.users()) == 3

        write()
        for person in people:
            lock(person)
        server.failures = {"PATCH": [500] * 3}
        write()
        assert Target.objects.get().answer == "HTTP 500"

    @pytest.mark.parametrize("status", [404, 412])
    def test_a_user_that_changes_under_the_worker_is_read_again(self, server, person, status):
        server.failures = {"PATCH": [status]}
        lock(person)
        write()

        assert server.methods() == ["PATCH", "PATCH"]
        assert server.user()["active"] is False

    def test_a_worker_with_an_old_view_cannot_write_it_back(self, server, person):
        old, new = scim_client.ScimClient(), scim_client.ScimClient()
        [user] = old.find("userName", "zdurand")
        new.change(user, {"active": False})

        assert old.change(user, {"active": True}).status == 412
        old.close()
        new.close()

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[]", b'{"totalResults": "1"}', b'{"totalResults": 1, "Resources": [1]}']
    )
    def test_another_kind_of_server_pauses_the_target(self, server, person, monkeypatch, body):
        answer = scim_client.Answer(200, body)
        monkeypatch.setattr(scim_client.HttpClient, "send", lambda *args, **kwargs: answer)
        lock(person)
        write()

        assert (replica().status, replica().attempts) == ("waiting", 0)
        assert "not a" in Target.objects.get().answer

    def test_a_server_that_ignores_filters_changes_nobody_else(self, server, monkeypatch):
        put(server, userName="another")
        find = scim_client.ScimClient._send

        def without_filter(client, method, path, **options):
            return find(client, method, path, **{**options, "query": None})

        monkeypatch.setattr(scim_client.ScimClient, "_send", without_filter)
        new_person()
        write()

        assert sorted(user["userName"] for user in server.users()) == ["another", "zdurand"]

    def test_nothing_of_the_person_or_the_token_is_logged(self, server, person, caplog):
        caplog.set_level(logging.DEBUG)
        server.failures, server.detail = {"PATCH": [400]}, f"{LOGIN} is refused"
        lock(person)
        write()

        logged = [record.getMessage() for record in caplog.records if record.name != "django.db.backends"]
        assert not [line for line in logged if any(word in line for word in (TOKEN, LOGIN, "Ünal"))]


class TestCommand:
    def test_check_is_silent_when_all_is_right_and_names_what_differs(self, server, person, capsys, monkeypatch):
        monkeypatch.setattr(scim_client, "PAGE", 2)
        people = [active_account(given_name="Ana") for _number in range(4)]
        close(active_account())
        write()
        call_command("provision", check=True)
        assert capsys.readouterr().out == ""

        client = scim_client.ScimClient()
        client.change(client.find("userName", people[0].uid)[0], {"name.givenName": "Eva", "active": False})
        client.delete(client.find("userName", people[1].uid)[0])
        client.create({"userName": "orphan", "externalId": "99999"})
        client.create({"userName": "other", "externalId": "other-system"})
        client.close()
        with pytest.raises(CommandError) as failed:
            call_command("provision", check=True)
        assert failed.value.returncode == 1
        lines = sorted(capsys.readouterr().out.splitlines())
        assert lines == sorted(
            [
                f"scim: {people[0].uid}: is suspended in the directory, and not by the portal",
                f"scim: {people[1].uid}: no user",
                "scim: orphan: an entry without an account",
            ]
        )

    def test_repair_writes_what_differs(self, server, person, capsys):
        client = scim_client.ScimClient()
        client.change(client.find("userName", "zdurand")[0], {"name.givenName": "Eva", "displayName": ""})
        client.close()

        call_command("provision", check=True, repair=True)

        assert "scim: zdurand: name.givenName, displayName" in capsys.readouterr().out
        assert server.user()["displayName"] == "Zoé D’Ünal"

    def test_probe(self, server, capsys):
        call_command("provision", probe=True)
        assert capsys.readouterr().out.count("scim: ok") == 3

    def test_probe_with_a_wrong_token(self, server, settings, capsys):
        settings.PROVISIONING_SCIM_TOKEN = "wrong"
        with pytest.raises(CommandError, match="HTTP 401") as failed:
            call_command("provision", probe=True)
        assert failed.value.returncode == 2


def test_a_server_that_is_away_pauses_the_target(server, person, settings):
    settings.PROVISIONING_SCIM_URL = "http://127.0.0.1:9"
    lock(person)
    start = time.monotonic()
    write()

    assert time.monotonic() - start < 3
    assert (Target.objects.get().answer, replica().attempts) == ("ConnectionError", 0)
    with pytest.raises(TargetDown):
        list(ScimConnector().walk())


class TestSettings:
    def test_the_address_has_no_slash_at_the_end(self, monkeypatch):
        monkeypatch.setenv("PROVISIONING_SCIM_URL", "https://scim.univ-exemple.fr/v2/")
        monkeypatch.setenv("PROVISIONING_SCIM_TOKEN", TOKEN)

        url = provisioning.scim_url("PROVISIONING_SCIM_URL", "PROVISIONING_SCIM_TOKEN")
        assert url == "https://scim.univ-exemple.fr/v2"

    @pytest.mark.parametrize("url", ["http://scim.univ-exemple.fr", "https://scim.univ-exemple.fr/?a=b", "scim"])
    def test_other_addresses_are_refused(self, monkeypatch, url):
        monkeypatch.setenv("PROVISIONING_SCIM_URL", url)
        monkeypatch.setenv("PROVISIONING_SCIM_TOKEN", TOKEN)

        with pytest.raises(ImproperlyConfigured, match="PROVISIONING_SCIM_URL"):
            provisioning.scim_url("PROVISIONING_SCIM_URL", "PROVISIONING_SCIM_TOKEN")
