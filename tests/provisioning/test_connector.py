"""A university's own connector: one class that a setting names."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core import checks
from django.core.checks import Error
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from provisioning import apply
from provisioning.apply import write_due
from provisioning.checks import check_connectors
from provisioning.connector import Applied, Conflict, Connector, Later, Outcome, Refused, Seen, TargetDown, Wanted
from provisioning.facts import Facts
from provisioning.models import Replica, Target
from provisioning.targets import connectors, synchronise_targets
from provisioning.tasks import write_to
from tests.factories import active_account
from tests.project import PROJECT

HERE = __name__
CONNECTOR = f"{HERE}.LibraryConnector"


class LibraryConnector(Connector):
    """Lends books to active accounts."""

    target = "library"
    written: list[tuple[str, str]] = []
    outcomes: list[Outcome | Exception] = []

    def content(self, facts: Facts) -> dict[str, str]:
        return {"state": facts.state}

    def write(self, wanted: Wanted, seen: Seen | None) -> Outcome:
        self.written.append((wanted.uid, wanted.content["state"]))
        outcome = self.outcomes.pop(0) if self.outcomes else Applied()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class SecondLibraryConnector(LibraryConnector):
    pass


class NotAConnector:
    target = "library"


@pytest.fixture
def written(settings, db):
    settings.PROVISIONING_CONNECTORS = [CONNECTOR]
    LibraryConnector.written.clear()
    LibraryConnector.outcomes.clear()
    synchronise_targets()
    return LibraryConnector.written


def lock(account: Account) -> None:
    lock_account(account=account, reason=LockReason.PHISHING)


def statuses() -> dict[str, tuple[str, str]]:
    return {
        uid: (status, answer) for uid, status, answer in Replica.objects.values_list("account__uid", "status", "answer")
    }


def test_it_is_loaded_by_its_path_and_gets_accounts_in_order(written):
    ana, zoe = active_account(uid="ana"), active_account(uid="zoe")
    assert [(name, connector.__name__) for name, connector in connectors().items()] == [("library", "LibraryConnector")]
    write_to("library")
    assert written == [("ana", "active"), ("zoe", "active")]

    Account.objects.filter(pk=ana.pk).update(given_name="Ana")
    lock(zoe)
    write_to("library")
    assert written[2:] == [("zoe", "locked"), ("ana", "active")], "what withdraws an access goes first"


def test_what_it_answers_is_noted(written):
    for uid in ("one", "two", "three", "four", "five"):
        active_account(uid=uid)
    LibraryConnector.outcomes += [
        Applied(),
        Refused("no"),
        Conflict("whose?"),
        Later("busy"),
        KeyError("zoe@exemple.net"),
    ]
    write_to("library")

    assert statuses() == {
        "one": ("done", ""),
        "two": ("refused", "no"),
        "three": ("conflict", "whose?"),
        "four": ("waiting", "busy"),
        "five": ("waiting", "KeyError"),
    }


def test_when_the_target_is_down_nothing_counts_and_the_answer_is_kept(written):
    active_account(uid="ana")
    LibraryConnector.outcomes.append(TargetDown("the library is closed"))
    write_to("library")

    assert statuses() == {"ana": ("waiting", "")}
    assert Target.objects.get().answer == "the library is closed"


def test_a_slow_target_gets_on_and_leaves_the_worker_to_others(written, monkeypatch):
    monkeypatch.setattr(apply, "TURN", timedelta(0))
    for _number in range(3):
        active_account()

    for number in (1, 2, 3):
        assert write_due(target_name="library", connector=LibraryConnector)
        assert Replica.objects.filter(status="done").count() == len(written) == number


def test_a_target_that_is_no_longer_named_is_left_alone_and_continues_later(written, settings):
    person = active_account(uid="ana")
    write_to("library")
    settings.PROVISIONING_CONNECTORS = []
    synchronise_targets()
    lock(person)
    write_to("library")
    assert written == [("ana", "active")]

    settings.PROVISIONING_CONNECTORS = [CONNECTOR]
    synchronise_targets()
    Replica.objects.update(due_at=timezone.now())
    write_to("library")
    assert written == [("ana", "active"), ("ana", "locked")]


class TestCheck:
    def test_a_connector_passes(self, written):
        assert checks.run_checks() == []

    @pytest.mark.parametrize(
        ("paths", "words"),
        [
            ([f"{HERE}.NotAConnector"], "NotAConnector is no Connector"),
            ([f"{HERE}.lock"], "lock is no Connector"),
            ([f"{HERE}.Absent"], "Absent"),
            (["absent.module.Connector"], "absent"),
            ([CONNECTOR, f"{HERE}.SecondLibraryConnector"], "'library' is there already"),
        ],
    )
    def test_another_thing_is_refused(self, settings, paths, words):
        settings.PROVISIONING_CONNECTORS = paths

        [error] = check_connectors(None)
        assert isinstance(error, Error)
        assert "PROVISIONING_CONNECTOR" in error.msg
        assert words in error.msg

    def test_no_command_starts_with_it(self):
        environment = {**os.environ, "PROVISIONING_CONNECTOR": "pathlib.Path"}
        command = [sys.executable, "manage.py", "check"]
        checked = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60)

        assert checked.returncode == 1
        assert "pathlib.Path is no Connector" in checked.stderr
