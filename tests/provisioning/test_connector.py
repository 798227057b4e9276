"""What holds for every connector, proven with a university's own: loading, settings, order, answers, pauses."""

from datetime import timedelta
from functools import partial

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from config import env, provisioning
from provisioning import apply
from provisioning.comparison import record_drift
from provisioning.connector import Applied, Conflict, Later, ReadAgain, Refused, Seen, TargetDown
from provisioning.models import Replica, Target
from provisioning.targets import synchronise_targets
from provisioning.tasks import write_to
from tests.factories import active_account
from tests.provisioning.receiver import write
from tests.provisioning.toy import ToyConnector

HERE, TOY = __name__, "tests.provisioning.toy.ToyConnector"
SERVICE, SCIM = partial(provisioning.service_url, needs="A_SECRET"), partial(provisioning.scim_url, needs="A_SECRET")


@pytest.fixture
def written(settings, db):
    settings.PROVISIONING_CONNECTORS = [TOY]
    ToyConnector.written.clear()
    ToyConnector.outcomes.clear()
    synchronise_targets()
    return ToyConnector.written


def test_what_withdraws_an_access_goes_first(written):
    ana, zoe = active_account(uid="ana"), active_account(uid="zoe")
    write_to("toy")
    Account.objects.filter(pk=ana.pk).update(given_name="Ana")
    lock_account(account=zoe, reason=LockReason.PHISHING)
    write_to("toy")
    assert written == [("ana", "active"), ("zoe", "active"), ("zoe", "locked"), ("ana", "active")]


def test_a_service_that_is_no_longer_named_is_left_alone_and_continues_later(written, settings):
    person = active_account(uid="ana")
    settings.PROVISIONING_CONNECTORS = []
    synchronise_targets()
    lock_account(account=person, reason=LockReason.PHISHING)
    write_to("toy")
    assert written == []

    settings.PROVISIONING_CONNECTORS = [TOY]
    synchronise_targets()
    write()
    assert written == [("ana", "locked")]


def test_an_answer_concerns_one_account(written):
    answers = [
        (Applied(), ("done", 0, "")),
        (Refused("no"), ("refused", 1, "no")),
        (Conflict("whose?"), ("conflict", 1, "whose?")),
        (Later("busy"), ("waiting", 1, "busy")),
        (KeyError("zoe@exemple.net"), ("waiting", 1, "KeyError")),
        (ReadAgain(), ("done", 0, "")),
    ]
    for outcome, _row in answers:
        active_account()
        ToyConnector.outcomes += [outcome]
    write_to("toy")
    rows = Replica.objects.order_by("pk").values_list("status", "attempts", "answer")
    assert list(rows) == [row for _outcome, row in answers]


def test_an_account_that_fails_waits_longer_each_time(written):
    active_account()
    for seconds in (5, 10, 20):
        ToyConnector.outcomes += [Later("busy")]
        write()
        assert seconds - 2 < (Replica.objects.get().due_at - timezone.now()).total_seconds() < seconds


def test_one_worker_at_a_time_writes_and_none_in_the_pause_of_a_service_that_is_down(written):
    active_account(uid="ana"), active_account(uid="zoe")
    Target.objects.update(leased_until=timezone.now() + timedelta(seconds=30))
    write_to("toy")
    assert written == [], "another worker has the lease"
    Target.objects.update(leased_until=timezone.now())
    ToyConnector.outcomes += [TargetDown("closed today")]
    write_to("toy")
    write_to("toy")
    assert written == [("ana", "active")], "nothing in the pause"
    assert set(Replica.objects.values_list("status", "attempts", "answer")) == {("waiting", 0, "")}
    target = Target.objects.get()
    assert (target.answer, target.failures, bool(target.down_since)) == ("closed today", 1, True)

    write()
    assert set(Replica.objects.values_list("status")) == {("done",)}
    target.refresh_from_db()
    assert (target.answer, target.failures, target.down_since) == ("", 0, None)


def test_a_slow_service_gets_on_and_leaves_the_worker_to_others(written, monkeypatch):
    monkeypatch.setattr(apply, "TURN", timedelta(0))
    for _number in range(3):
        active_account()
    for number in (1, 2, 3):
        assert apply.write_due(target_name="toy", connector=ToyConnector)
        assert Replica.objects.filter(status="done").count() == len(written) == number


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["pathlib.Path"], "Path is no Connector"),
        ([f"{HERE}.Absent"], "Absent"),
        (["absent.module.Connector"], "absent"),
        ([TOY, f"{HERE}.ToyConnector"], "'toy' is there already"),
    ],
)
def test_what_is_no_connector_or_has_a_taken_name_is_refused(settings, paths, words):
    settings.PROVISIONING_CONNECTORS = paths
    [error] = checks.run_checks()
    assert error.level == checks.ERROR
    assert error.msg.startswith("PROVISIONING_CONNECTOR: ")
    assert words in error.msg


@pytest.mark.parametrize(
    ("read", "accepted", "refused"),
    [
        (SERVICE, "http://127.0.0.1:8080", ["http://127.0.0.1.fr", "http://0.0.0.0", "http://a.fr", "https://a.fr/#b"]),
        (SCIM, "https://scim.fr/v2", ["http://scim.fr", "https://scim.fr/?a=b", "scim"]),
        (provisioning.webhook_secret, f"whsec_{'A' * 32}", ["whsec_é", f"whsec_{'A' * 88}", f"whpk_{'A' * 32}"]),
    ],
)
def test_a_setting_of_another_kind_is_refused_by_its_name(monkeypatch, read, accepted, refused):
    monkeypatch.setattr(env, "IN_FORCE", {})
    monkeypatch.setenv("A_SECRET", "x")
    monkeypatch.setenv("A_SETTING", accepted)
    assert read("A_SETTING") == accepted
    for text in refused:
        monkeypatch.setenv("A_SETTING", text)
        with pytest.raises(ImproperlyConfigured, match="A_SETTING"):
            read("A_SETTING")


def test_a_connector_that_only_writes_has_nothing_to_compare(written):
    active_account()
    assert record_drift(target_name="toy", connector=ToyConnector) == []
    with ToyConnector() as toy:
        assert (list(toy.probe()), toy.is_own(Seen("x", None))) == ([], False)
    replica = Replica.objects.get()
    assert (str(replica.target), str(replica)) == ("toy", f"{replica.account_id} @ toy")
