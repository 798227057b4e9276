"""Locking, one account or hundreds, by a service or `manage.py lock_account` (HLP-01)."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account, lock_accounts, lock_accounts_by_name
from accounts.models import Account, Lock, Session
from accounts.recovery.changes import report_unauthorized_change
from journal.events import Event
from mailrouting.models import Redirection
from mailrouting.services import change_redirection
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import change_to, lock, recipients
from tests.activation.states import leave
from tests.activation.wizard.client import DIRECTORY, answered_until, begin
from tests.concurrency import attempted_together
from tests.factories import active_account, pending_account
from tests.locking import an_agent, is_told_why, locked_account, unlock
from tests.mail_delivery import text_of
from tests.signing_in import browser_of, submit_login

pytestmark = pytest.mark.django_db


class TestALockIsImmediateAndTotal:
    def test_sessions_wizards_and_forwarding_stop_at_once(self, person):
        """HLP-01: as links do (`states.lock` in the tests of each)."""
        change_redirection(account=person, target=person.recovery_address, keep_copy=True)
        browser_of(person)
        at_activation, newcomer = Client(), pending_account()
        answered_until(newcomer, DIRECTORY)
        begin(at_activation, newcomer)
        lock_accounts(accounts=[person, newcomer], reason=LockReason.PHISHING)
        assert not Session.objects.filter(account=person).exists()
        assert at_activation.get(reverse(DIRECTORY)).status_code == 410
        assert not Redirection.objects.in_force().filter(account=person).exists()
        assert is_told_why(submit_login(Client(), person).content.decode())

    def test_reason_author_and_time_are_those_of_the_first_lock(self, person, time_machine, mail_delivery):
        """HLP-01, HLP-02: its mail has no link that sets a password, and nothing that agents wrote."""
        time_machine.move_to("2026-10-03T10:00Z", tick=False)
        agent, now = an_agent(family_name="Lagente"), timezone.now()
        first = lock_account(account=person, reason=LockReason.PHISHING, actor=agent, comment="Formulaire piégé")
        time_machine.shift(60)
        assert lock_account(account=person, reason=LockReason.OTHER) == first
        kept = Lock.objects.get(account=person)
        assert (kept.reason, kept.locked_by, kept.locked_at) == ("phishing", agent, now)
        entry = person.journal.get(event=Event.LOCKED)
        assert (entry.actor, entry.details) == (agent, {"reason": "phishing"})
        [mail] = mail_delivery.deliver()
        assert mail["To"] == person.recovery_address
        assert "hameçonnage" in text_of(mail)
        for part in mail.iter_parts():
            assert not re.search(r"Formulaire|Lagente|[A-Za-z0-9_-]{60}", part.get_content())

    @pytest.mark.django_db(transaction=True)
    def test_concurrent_locks_are_one_lock_and_do_not_deadlock(self):
        """HLP-01, TOK-07: rows are locked in one order, whatever the order of the list."""
        people = [active_account() for _ in range(6)]
        for _ in range(3):
            answered = attempted_together(
                lambda: lock_accounts(accounts=people, reason=LockReason.PHISHING),
                lambda: lock_accounts(accounts=people[::-1], reason=LockReason.OTHER),
                lambda: lock(people[0]),
            )
            assert not [one for one in answered if isinstance(one, Exception)], answered
        assert Lock.objects.count() == len(recipients(kind=Kind.ACCOUNT_LOCKED)) == 6
        assert people[0].journal.filter(event=Event.LOCKED).count() == 1

    def test_the_notice_goes_to_the_recovery_address_alone_if_that_can_be_mailed(self, person, mail_delivery):
        """HLP-07: the intruder may read the university mailbox, or have changed the address."""
        report_unauthorized_change(entry=change_to(person))
        for facts in ({"recovery_address": ""}, {"recovery_address_disputed_at": timezone.now()}):
            lock(active_account(**facts))
        assert recipients(kind=Kind.ACCOUNT_LOCKED) == [person.recovery_address]
        unlock(person)
        mail_delivery.deliver()
        assert Message.objects.get(kind=Kind.ACCOUNT_LOCKED).status == Status.CANCELLED


def run(*arguments: object, reason: str = "phishing") -> list[str]:
    """The lines that `manage.py lock_account` prints."""
    out = StringIO()
    try:
        call_command("lock_account", *map(str, arguments), f"--reason={reason}", stdout=out)
    except CommandError as refused:
        out.write(str(refused))
    return out.getvalue().splitlines()


class TestNames:
    def test_five_hundred_take_as_many_statements_as_two(self):
        """HLP-01"""

        def statements(people: list[Account]) -> list[str]:
            with CaptureQueriesContext(connection) as captured:
                lock_accounts_by_name(names=[person.login for person in people], reason=LockReason.PHISHING)
            return [query["sql"] for query in captured]

        few, many = [active_account() for _ in range(2)], [pending_account() for _ in range(500)]
        of_many = statements(many)
        assert len(of_many) == len(statements(few)) <= 12
        assert [sql for sql in of_many if "FOR UPDATE" in sql and "ORDER BY" in sql], "two lists could deadlock"
        assert Lock.objects.open().count() == 502
        assert Message.objects.filter(kind=Kind.ACCOUNT_LOCKED, priority=Priority.URGENT).count() == 502

    def test_the_command_locks_names_or_a_file_and_fails_after_an_unknown_name(self, person, tmp_path, monkeypatch):
        """HLP-01"""
        monkeypatch.setattr("accounts.locking.lock.BATCH", 2)
        before, gone, file = locked_account(), leave(active_account()), tmp_path / "liste.txt"
        for line_end in ("\n", "\r\n"):
            names = [active_account().login for _ in range(3)]
            file.write_bytes(b"\xef\xbb\xbf" + line_end.join(["", *names, "  "]).encode())
            assert run("--file", file) == [f"{name}\tbloqué" for name in names]
        printed = run("personne", before.uid, gone.uid, person.login.upper(), person.uid, "--comment", "Alerte CERT 12")
        outcomes = ["personne\tinconnu", f"{before.uid}\tdéjà bloqué", f"{gone.uid}\tfermé"]
        outcomes += [f"{person.login.upper()}\tbloqué", f"{person.uid}\tbloqué"]
        assert printed == [*outcomes, "Identifiants inconnus\N{NO-BREAK SPACE}: 1"]
        kept = Lock.objects.get(account=person)
        assert (kept.reason, kept.comment) == (LockReason.PHISHING, "Alerte CERT 12")
        assert person.journal.get(event=Event.LOCKED).source == "command"
        assert gone.is_locked
        assert not recipients(kind=Kind.ACCOUNT_LOCKED, person=gone)

    def test_invalid_arguments_lock_no_account(self, person, tmp_path):
        """INP-01, INP-02"""
        binary = tmp_path / "liste.bin"
        binary.write_bytes(bytes(range(256)) * 10)
        for arguments in ((), ("--file", tmp_path / "absent.txt"), ("--file", tmp_path), ("--file", binary)):
            assert "bloqué" not in str(run(*arguments))
        for comment in ("x" * 501, "a\x00b", "a\u202eb"):
            assert run(person.uid, "--comment", comment)
        assert run(person.uid, reason="PHISHING")
        assert not Lock.objects.exists()
