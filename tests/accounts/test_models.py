"""The states of an account, and what the database refuses whatever the code does."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from accounts.enums import LockReason, State
from accounts.models import Account
from activation.models import Charter
from activation.services import accept_charter
from journal.models import JournalEntry
from tests.accounts.recovery.recovering import lock
from tests.factories import active_account, pending_account
from tests.locking import UNLOCK_REASONS, locked_account

pytestmark = pytest.mark.django_db

TODAY = timezone.localdate()
YESTERDAY = TODAY - timedelta(days=1)


def run(sql: str, *parameters: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def test_states_and_querysets_agree():
    without_password, locked_newcomer = active_account(), pending_account()
    Account.objects.filter(pk=without_password.pk).update(password="!")
    lock(locked_newcomer)
    locked_and_closed = locked_account(end_date=YESTERDAY)
    states = {
        pending_account(): State.PENDING,
        active_account(): State.ACTIVE,
        locked_account(): State.LOCKED,
        locked_newcomer: State.LOCKED,
        without_password: State.TO_REACTIVATE,
        active_account(end_date=TODAY): State.ACTIVE,
        active_account(end_date=YESTERDAY): State.CLOSED,
        pending_account(end_date=YESTERDAY): State.CLOSED,
        locked_and_closed: State.CLOSED,
    }
    for account, state in states.items():
        for read in (Account.objects.get(pk=account.pk), Account.objects.with_lock().get(pk=account.pk)):
            assert (read.state, read.is_active) == (state, state == State.ACTIVE)
    for state, found, more in (
        (State.PENDING, Account.objects.pending(), set()),
        (State.ACTIVE, Account.objects.active(), set()),
        (State.LOCKED, Account.objects.locked(), {locked_and_closed}),
        (State.CLOSED, Account.objects.closed(), set()),
    ):
        assert set(found) == {account for account, its_state in states.items() if its_state == state} | more


def test_the_database_refuses_one_identifier_for_two_accounts_whatever_its_case():
    """INP-03: nor a second open lock, nor an activation without a charter."""
    one, other = pending_account(institutional_address="jean.essai@univ-exemple.fr"), locked_account()
    columns = [(column, getattr(one, column)) for column in ("uid", "hr_id", "institutional_address")]
    for column, value in (*columns, ("institutional_address", "Jean.Essai@univ-exemple.fr")):
        with pytest.raises(IntegrityError):
            run(f"UPDATE accounts_account SET {column} = %s WHERE id = %s", value, other.pk)
    with pytest.raises(IntegrityError, match="lock_one_open_per_account"), transaction.atomic():
        other.locks.create(reason=LockReason.OTHER)
    other.locks.update(released_at=timezone.now(), **UNLOCK_REASONS)
    other.locks.create(reason=LockReason.OTHER)
    with pytest.raises(IntegrityError, match="account_activated_with_charter"):
        run("UPDATE accounts_account SET activated_at = now() WHERE id = %s", one.pk)


def test_recorded_facts_can_be_neither_changed_nor_deleted():
    """LOG-03, PRV-01: by SQL with the rights of the application; retention may delete or empty an entry, no more."""
    account = pending_account()
    accept_charter(account=account, charter=Charter.objects.in_force())
    tables = ("journal_journalentry", "activation_charteracceptance", "activation_charter")
    changes = [change for table in tables for change in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}")]
    changes += ["SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE journal_journalentry CASCADE"]
    emptied = "details = '{}', client_address = NULL, device = ''"
    changes.append(f"UPDATE journal_journalentry SET {emptied}")
    not_emptied = [emptied.replace(*more) for more in (("{}", '{"a": 1}'), ("NULL", "'192.0.2.1'"), ("= ''", "= 'x'"))]
    more = [f"{change}, {emptied}" for change in ("event = 'x'", "at = now() - interval '1 year'", "account_id = NULL")]
    on_retention = "SET LOCAL portal.retention = 'on'; UPDATE journal_journalentry SET "
    changes += [on_retention + change for change in (*not_emptied, *more)]
    for change in changes:
        with pytest.raises(DatabaseError, match="append-only"):
            run(change)
    with pytest.raises(ProtectedError):
        account.delete()
    with pytest.raises(IntegrityError, match="foreign key"):
        run(f"SET CONSTRAINTS ALL IMMEDIATE; DELETE FROM accounts_account WHERE id = {account.pk}")
    run("SET LOCAL portal.retention = 'on'; DELETE FROM journal_journalentry")
    assert not JournalEntry.objects.exists()


def test_a_charter_is_immutable_once_published_and_accepted_once():
    """PRV-01"""
    draft = Charter.objects.create(version="brouillon", text_fr="?", text_en="?")
    run("UPDATE activation_charter SET text_fr = 'mieux' WHERE id = %s", draft.pk)
    run("UPDATE activation_charter SET published_at = now() WHERE id = %s", draft.pk)
    with pytest.raises(DatabaseError, match="append-only"):
        run("UPDATE activation_charter SET text_fr = 'pire' WHERE id = %s", draft.pk)
    account, charter = pending_account(), Charter.objects.in_force()
    assert accept_charter(account=account, charter=charter) == accept_charter(account=account, charter=charter)
    columns = "account_id, charter_id, language, text_sha256, accepted_at"
    again = f"INSERT INTO activation_charteracceptance ({columns}) VALUES (%s, %s, 'fr', 'x', now())"
    with pytest.raises(IntegrityError, match="charter_accepted_once_per_version"):
        run(again, account.pk, charter.pk)
