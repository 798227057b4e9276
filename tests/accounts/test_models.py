"""The states of design §3, and what the database itself refuses whatever the code does."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from accounts.enums import Category, LockReason, State
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock
from activation.models import Charter
from activation.services import accept_charter
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from tests.factories import active_account, pending_account
from tests.locking import PROVEN

pytestmark = pytest.mark.django_db

YESTERDAY, TODAY = -1, 0


def run(sql: str, *parameters: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def ended(days: int) -> dict[str, object]:
    return {"end_date": timezone.localdate() + timedelta(days=days)}


def locked(person: Account) -> Account:
    lock_account(account=person, reason=LockReason.PHISHING)
    return person


def without_password(person: Account) -> Account:
    person.set_unusable_password()
    person.save()
    return person


def every_kind_of_account() -> dict[str, tuple[Account, State]]:
    return {
        "recorded": (pending_account(), State.PENDING),
        "activated": (active_account(), State.ACTIVE),
        "locked": (locked(active_account()), State.LOCKED),
        "locked before activation": (locked(pending_account()), State.LOCKED),
        "released": (without_password(active_account()), State.TO_REACTIVATE),
        "last day": (active_account(**ended(TODAY)), State.ACTIVE),
        "left": (active_account(**ended(YESTERDAY)), State.CLOSED),
        "left, never activated": (pending_account(**ended(YESTERDAY)), State.CLOSED),
        "left, locked": (locked(active_account(**ended(YESTERDAY))), State.CLOSED),
    }


def test_the_state_is_read_from_the_facts():
    """Design §3; only an active account may sign in."""
    for kind, (person, state) in every_kind_of_account().items():
        for account in (Account.objects.get(pk=person.pk), Account.objects.with_lock().get(pk=person.pk)):
            assert account.state == state, kind
            assert account.is_active == (state == State.ACTIVE), kind


@pytest.mark.parametrize(("name", "state"), [("pending", State.PENDING), ("active", State.ACTIVE)])
def test_the_sets_of_accounts_agree_with_the_states(name, state):
    people = every_kind_of_account().values()

    found = set(getattr(Account.objects, name)())

    assert found == {person for person, its_state in people if its_state == state}


def test_the_sets_of_locked_and_closed_accounts():
    kinds = every_kind_of_account()

    assert set(Account.objects.locked()) == {
        kinds[k][0] for k in ("locked", "locked before activation", "left, locked")
    }
    assert set(Account.objects.closed()) == {kinds[k][0] for k in kinds if k.startswith("left")}


def test_locking_twice_is_locking_once():
    """HLP-01: reason, author and time are those of the first lock."""
    agent, person = active_account(), active_account()

    first = lock_account(account=person, reason=LockReason.PHISHING, actor=agent)
    second = lock_account(account=person, reason=LockReason.OTHER)

    assert first.pk == second.pk
    assert Lock.objects.get().reason == LockReason.PHISHING
    assert Lock.objects.get().locked_by == agent
    entry = person.journal.get(event=Event.LOCKED)
    assert entry.actor == agent
    assert entry.details == {"reason": "phishing"}


def test_who_may_be_mailed():
    assert pending_account().can_be_mailed
    assert not pending_account(recovery_address="").can_be_mailed
    assert not pending_account(recovery_address_disputed_at=timezone.now()).can_be_mailed


@pytest.mark.parametrize("category", Category)
def test_only_the_universitys_own_staff_has_a_right_to_a_mailbox(category):
    assert pending_account(category=category).has_mailbox_right == (category == Category.STAFF)


def test_the_database_refuses_an_activation_without_a_charter():
    """Design §3."""
    person = pending_account()

    with pytest.raises(IntegrityError, match="account_activated_with_charter"):
        run("UPDATE accounts_account SET activated_at = now() WHERE id = %s", person.pk)


def test_the_database_refuses_a_second_open_lock():
    """Design §3; a released one leaves room for another."""
    person = locked(active_account())

    with pytest.raises(IntegrityError, match="lock_one_open_per_account"), transaction.atomic():
        person.locks.create(reason=LockReason.OTHER)
    person.locks.update(released_at=timezone.now(), **PROVEN)
    person.locks.create(reason=LockReason.OTHER)

    assert person.locks.count() == 2


@pytest.mark.parametrize(
    "spelling", ["jean.essai@univ-exemple.fr", "Jean.Essai@univ-exemple.fr", "JEAN.ESSAI@UNIV-EXEMPLE.FR"]
)
def test_the_database_refuses_one_address_for_two_people_whatever_its_case(spelling):
    """Design §3, INP-03."""
    pending_account(institutional_address="jean.essai@univ-exemple.fr")
    other = pending_account()

    with pytest.raises(IntegrityError):
        run("UPDATE accounts_account SET institutional_address = %s WHERE id = %s", spelling, other.pk)


@pytest.mark.parametrize("column", ["uid", "hr_id", "institutional_address"])
def test_the_database_refuses_one_identifier_for_two_people(column):
    one, other = pending_account(), pending_account()

    with pytest.raises(IntegrityError):
        run(f"UPDATE accounts_account SET {column} = %s WHERE id = %s", getattr(one, column), other.pk)


@pytest.mark.parametrize(
    "change",
    ["UPDATE {table} SET id = id", "DELETE FROM {table}"],
)
@pytest.mark.parametrize("table", ["journal_journalentry", "activation_charteracceptance", "activation_charter"])
def test_what_was_recorded_can_be_neither_changed_nor_deleted(table, change):
    """LOG-03, PRV-01: raw SQL with the application's own rights is refused, and says why."""
    person = pending_account()
    accept_charter(account=person, charter=Charter.objects.in_force())

    with pytest.raises(DatabaseError, match="append-only"):
        run(change.format(table=table))

    assert JournalEntry.objects.filter(account=person).exists()
    assert person.charter_acceptances.exists()


def test_the_journal_cannot_be_emptied_at_once():
    """LOG-03."""
    record_event(account=pending_account(), event=Event.SIGNED_IN)

    with pytest.raises(DatabaseError, match="append-only"):
        run("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE journal_journalentry CASCADE")


def test_retention_may_delete_whole_entries_and_never_change_one():
    """LOG-03, PRV-05: only where the transaction says that this is what it is for."""
    record_event(account=None, event=Event.SIGN_IN_FAILED)

    with pytest.raises(DatabaseError, match="append-only"):
        run("SET LOCAL portal.retention = 'on'; UPDATE journal_journalentry SET event = 'x'")
    run("SET LOCAL portal.retention = 'on'; DELETE FROM journal_journalentry")

    assert not JournalEntry.objects.exists()


def test_a_draft_of_the_charter_may_still_be_written():
    """PRV-01: immutable once published."""
    draft = Charter.objects.create(version="brouillon", text_fr="?", text_en="?")

    run("UPDATE activation_charter SET text_fr = 'mieux' WHERE id = %s", draft.pk)
    draft.refresh_from_db()
    assert draft.text_fr == "mieux"
    run("UPDATE activation_charter SET published_at = now() WHERE id = %s", draft.pk)
    with pytest.raises(DatabaseError, match="append-only"):
        run("UPDATE activation_charter SET text_fr = 'pire' WHERE id = %s", draft.pk)


def test_one_version_is_accepted_once_by_one_person():
    """PRV-01."""
    person, charter = pending_account(), Charter.objects.in_force()
    first = accept_charter(account=person, charter=charter)

    assert accept_charter(account=person, charter=charter) == first
    with pytest.raises(IntegrityError, match="charter_accepted_once_per_version"):
        run(
            "INSERT INTO activation_charteracceptance (account_id, charter_id, language, text_sha256, accepted_at)"
            " VALUES (%s, %s, 'fr', 'x', now())",
            person.pk,
            charter.pk,
        )


def test_the_proof_outlives_careless_deletion():
    """PRV-01, LOG-03: an account with a past cannot be deleted with it."""
    person = pending_account()
    accept_charter(account=person, charter=Charter.objects.in_force())

    with pytest.raises(ProtectedError):
        person.delete()
    with pytest.raises(IntegrityError, match="foreign key"):
        run(f"SET CONSTRAINTS ALL IMMEDIATE; DELETE FROM accounts_account WHERE id = {person.pk}")
