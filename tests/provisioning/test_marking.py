"""Triggers mark an account in the transaction of the change, whoever writes; targets follow the settings."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from directory.services import record_directory_consent
from mailrouting.models import Mailbox, Redirection
from provisioning.enums import Urgency
from provisioning.models import Replica, Target
from provisioning.targets import synchronise_targets
from tests.factories import active_account, pending_account

pytestmark = pytest.mark.django_db

TOY = ["tests.provisioning.toy.ToyConnector"]


@pytest.fixture(autouse=True)
def toy(settings) -> None:
    settings.PROVISIONING_CONNECTORS = TOY
    synchronise_targets()


@pytest.fixture
def person() -> Account:
    """Up to date at the target."""
    person = active_account()
    Replica.objects.update(status="done", applied=Replica.objects.get().wanted, state="active", urgency=2)
    return person


def sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


CHANGES = {
    "a new password": (lambda one: Account.objects.update(password="argon2$x"), Urgency.PERSON),
    "a name, by SQL": (lambda one: sql("UPDATE accounts_account SET family_name = 'X'"), Urgency.BULK),
    "an end": (lambda one: Account.objects.update(end_date="2020-01-01"), Urgency.WITHDRAWAL),
    "a lock": (lambda one: lock_account(account=one, reason=LockReason.OTHER), Urgency.WITHDRAWAL),
    "a choice": (lambda one: record_directory_consent(account=one, listed=True, wording="?"), Urgency.PERSON),
    "a redirection": (lambda one: Redirection.objects.update(target="a@exemple.org"), Urgency.PERSON),
    "no mailbox": (lambda one: Mailbox.objects.all().delete(), Urgency.PERSON),
}


@pytest.mark.parametrize(("change", "urgency"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_what_leaves_marks_the_account(person, change, urgency):
    before = Replica.objects.get()
    change(person)
    after = Replica.objects.get()
    assert (after.status, after.urgency) == ("waiting", urgency)
    assert after.wanted > before.wanted == after.applied


@pytest.mark.parametrize("change", [{"last_login": timezone.now()}, {"charter_accepted_at": timezone.now()}, {}])
def test_a_change_of_anything_else_marks_no_account(person, change):
    Account.objects.update(**change or {"given_name": person.given_name})
    assert Replica.objects.get().status == "done"


def test_a_withdrawal_stays_urgent_when_a_name_changes_before_it_is_written(person):
    lock_account(account=person, reason=LockReason.OTHER)
    Account.objects.update(family_name="X")
    assert Replica.objects.get().urgency == Urgency.WITHDRAWAL


def test_people_who_never_activated_have_no_row():
    pending_account()
    Account.objects.update(family_name="X")
    assert not Replica.objects.exists()


def test_a_target_that_is_new_gets_every_active_account_and_those_that_are_locked_first(settings):
    settings.PROVISIONING_CONNECTORS = []
    synchronise_targets()
    person, locked = active_account(), active_account()
    lock_account(account=locked, reason=LockReason.OTHER)
    pending_account()
    assert not Replica.objects.exists()

    settings.PROVISIONING_CONNECTORS = TOY
    synchronise_targets()
    marked = dict(Replica.objects.values_list("account", "urgency"))
    assert marked == {person.pk: Urgency.BULK, locked.pk: Urgency.WITHDRAWAL}
    assert Target.objects.get().is_enabled


def test_a_connector_that_is_none_is_refused_with_a_sentence(settings):
    settings.PROVISIONING_CONNECTORS = ["accounts.models.Account"]
    with pytest.raises(SystemCheckError, match="is no Connector"):
        call_command("check")
