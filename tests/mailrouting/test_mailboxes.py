"""Mailboxes: who gets one, and what the mail server is fed with (`manage.py export_redirections`, FWD-05)."""

import csv
import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from core.csv import FORMULA_STARTS
from core.email_addresses import InvalidAddress, canonical_address
from journal.events import Event
from mailrouting import export
from mailrouting.models import Mailbox, Redirection
from mailrouting.services import choose_redirection, create_mailbox, stop_redirection
from tests.factories import active_account, pending_account, reloaded
from tests.fuzz import EMAIL, N
from tests.hr_feed.hr_files import imported, row
from tests.locking import unlock
from tests.mailrouting.forwarding import ELSEWHERE, change, verify
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

YESTERDAY = timezone.localdate() - timedelta(days=1)
MAILBOX_ALONE = ("", "TRUE")
FORMULAS = ("=1+1", "+33612345678", "-oQ", "'=1", "=")


def hr_sends(category: Category, **facts: str) -> None:
    imported(row(category=category.value, **facts))


def has_mailbox(person: Account) -> bool:
    return Mailbox.objects.filter(account=person).exists()


def written() -> str:
    output = io.StringIO()
    call_command("export_redirections", stdout=output)
    return output.getvalue()


def exported() -> dict[str, tuple[str, str]]:
    """Where the mail of each mailbox goes, and whether a copy stays."""
    lines = csv.DictReader(io.StringIO(written()), delimiter=";")
    return {line["mail"]: (line["mailForwardingAddress"], line["keepCopy"]) for line in lines}


def forwarding(target: str = ELSEWHERE, *, keep_copy: bool = True, **facts: str) -> Account:
    person = active_account(**facts)
    verify(change(person, target, keep_copy=keep_copy))
    return person


class TestWhoGetsOne:
    def test_a_student_who_becomes_staff_gets_one_once(self):
        """The journal entry has no actor, or the agent who imports; a dry run creates none; the user may forward."""
        person, agent = active_account(category=Category.STUDENT, hr_id="HR1"), active_account()
        imported(row(category="staff"), dry_run=True)
        assert not has_mailbox(person)
        hr_sends(Category.STAFF)
        hr_sends(Category.STAFF, family_name="Durand-Martin")
        hr_sends(Category.STUDENT)
        # What was received there still belongs to the user.
        assert has_mailbox(person)
        hr_sends(Category.STAFF)
        assert create_mailbox(account=person).address == person.institutional_address
        assert person.journal.get(event=Event.MAILBOX_CREATED).actor is None
        browser = browser_of(person)
        assert person.institutional_address in browser.get(reverse("account")).content.decode()
        browser.post(reverse("account-redirection"), {"target": person.recovery_address, "keep_copy": "on"})
        assert Redirection.objects.in_force().get().account == person
        other = active_account(category=Category.STUDENT, hr_id="HR2")
        imported(row(category="staff", hr_id="HR2", institutional_address=other.institutional_address), actor=agent)
        assert other.journal.get(event=Event.MAILBOX_CREATED).actor == agent

    def test_only_active_members_of_staff_do(self):
        """A pending account gets its mailbox at the activation, a departed user after the return."""
        departed = active_account(category=Category.STUDENT, hr_id="HR1", end_date=YESTERDAY)
        for category in (Category.STUDENT, Category.HOSTED):
            hr_sends(category, end_date="")
            assert not has_mailbox(departed)
        hr_sends(Category.STAFF, end_date=YESTERDAY.isoformat())
        assert not has_mailbox(departed)
        hr_sends(Category.STAFF, end_date="")
        assert has_mailbox(departed)
        pending = pending_account(category=Category.STUDENT, hr_id="HR2")
        imported(row(category="staff", hr_id="HR2", institutional_address=pending.institutional_address))
        assert reloaded(pending).category == Category.STAFF
        assert not has_mailbox(pending)
        assert create_mailbox(account=pending) == create_mailbox(account=pending)
        assert pending.journal.filter(event=Event.MAILBOX_CREATED).count() == 1


class TestExport:
    def test_only_what_is_verified_and_in_force_leaves_the_portal(self, settings):
        """FWD-05, FWD-06, HLP-01: every mailbox is there, the target only where mail may go to it."""
        with_copy, without = forwarding(), forwarding(keep_copy=False)
        stopped, locked, released, departed = (forwarding(keep_copy=False) for _ in range(4))
        stop_redirection(account=stopped)
        lock_account(account=locked, reason=LockReason.PHISHING)
        lock_account(account=released, reason=LockReason.PHISHING)
        unlock(released)
        Account.objects.filter(pk=departed.pk).update(end_date=YESTERDAY)
        change(active_account(), keep_copy=False)
        forwarding("ailleurs@refuse.example", keep_copy=False)
        pending, student = pending_account(), active_account(category=Category.STUDENT)
        create_mailbox(account=pending)
        choose_redirection(account=pending, target=pending.recovery_address, keep_copy=False)
        settings.FORWARDING_DENIED_DOMAINS = ["refuse.example"]
        assert exported() == {
            **dict.fromkeys(Mailbox.objects.values_list("address", flat=True), MAILBOX_ALONE),
            with_copy.login: (ELSEWHERE, "TRUE"),
            without.login: (ELSEWHERE, "FALSE"),
        }
        assert student.login not in exported()
        settings.FORWARDING_ALLOWED = False
        assert set(exported().values()) == {MAILBOX_ALONE}

    def test_a_line_is_what_the_mail_server_needs_and_no_more(self, django_assert_num_queries, monkeypatch):
        """PRV-04: mailboxes are read by batches, in one order."""
        monkeypatch.setattr(export, "BATCH", 2)
        people = [forwarding(keep_copy=False) for _ in range(5)]
        people.append(forwarding(keep_copy=False, uid="zoe", institutional_address="zoe.lefevre@univ-exemple.fr"))
        with django_assert_num_queries(1):
            lines = written().splitlines()
        assert lines[0] == "uid;mail;mailForwardingAddress;keepCopy"
        assert lines[-1] == f"zoe;zoe.lefevre@univ-exemple.fr;{ELSEWHERE};FALSE"
        assert list(exported()) == sorted(person.login for person in people)

    def test_an_address_is_read_back_to_the_letter_and_none_says_more_than_an_address(self):
        """FWD-05, INP-08, ADM-07: filters and names of LDAP, Sieve, formulas, several addresses are no targets."""
        person = forwarding()
        for typed in [*(value for value, _wanted in EMAIL), *(f"{start}@exemple.org" for start in FORMULAS)]:
            try:
                target = canonical_address(typed)
            except InvalidAddress:
                continue
            Redirection.objects.filter(account=person).update(target=target)
            assert exported() == {person.login: (target, "TRUE")}, typed
            assert not target.startswith(FORMULA_STARTS), typed
            assert not set(target) & set('*()\\,;:"<>|{}[] \t\r\n'), typed
        for typed in (N["N19"], N["N20"], *FORMULAS):
            with pytest.raises(InvalidAddress):
                canonical_address(f"{typed}@exemple.org")
