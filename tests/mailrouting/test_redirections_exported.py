"""What the mail server is fed with: `manage.py export_redirections` (FWD-05)."""

import csv
import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from core.csv import FORMULA_STARTS
from core.email_addresses import InvalidAddress, canonical_address
from mailrouting import export
from mailrouting.models import Mailbox, Redirection
from mailrouting.services import change_redirection, decline_redirection, verify_redirection
from tests.factories import active_account
from tests.fuzz import EMAIL, N
from tests.locking import unlock

pytestmark = pytest.mark.django_db

ELSEWHERE, REFUSED = "ailleurs@exemple.org", "ailleurs@refuse.example"
MAILBOX_ALONE = ("", "TRUE")
FORMULAS = ("=1+1", "+33612345678", "-oQ", "'=1", "=")


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
    redirection = change_redirection(account=person, target=target, keep_copy=keep_copy)
    verify_redirection(redirection_id=redirection.pk, target=target)
    return person


def waiting() -> Account:
    person = active_account()
    change_redirection(account=person, target=ELSEWHERE, keep_copy=False)
    return person


def stopped() -> Account:
    person = forwarding()
    decline_redirection(account=person)
    return person


def locked() -> Account:
    person = forwarding(keep_copy=False)
    lock_account(account=person, reason=LockReason.PHISHING)
    return person


def released() -> Account:
    person = locked()
    unlock(person)
    return person


def departed() -> Account:
    person = forwarding(keep_copy=False)
    Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))
    return person


def refused_since() -> Account:
    return forwarding(REFUSED, keep_copy=False)


def test_only_what_is_verified_and_in_force_leaves_the_portal(settings):
    """FWD-05, FWD-06, HLP-01: every mailbox is there, the target only where mail may go to it; twice is the same file."""
    with_copy, without = forwarding(), forwarding(keep_copy=False)
    for make in (active_account, waiting, stopped, locked, released, departed, refused_since):
        make()
    active_account(category=Category.STUDENT)
    settings.FORWARDING_DENIED_DOMAINS = ["refuse.example"]

    assert exported() == {
        **dict.fromkeys(Mailbox.objects.values_list("address", flat=True), MAILBOX_ALONE),
        with_copy.login: (ELSEWHERE, "TRUE"),
        without.login: (ELSEWHERE, "FALSE"),
    }
    assert written() == written()
    settings.FORWARDING_ALLOWED = False
    assert set(exported().values()) == {MAILBOX_ALONE}


def test_a_line_is_what_the_mail_server_needs_and_no_more(django_assert_num_queries):
    """PRV-04"""
    forwarding(keep_copy=False, uid="zlefevre", institutional_address="zoe.lefevre@univ-exemple.fr")

    with django_assert_num_queries(1):
        assert written() == (
            f"uid;mail;mailForwardingAddress;keepCopy\nzlefevre;zoe.lefevre@univ-exemple.fr;{ELSEWHERE};FALSE\n"
        )


def test_an_address_is_read_back_to_the_letter_and_none_says_more_than_an_address():
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


def test_mailboxes_are_read_by_batches(monkeypatch):
    monkeypatch.setattr(export, "BATCH", 2)
    people = [forwarding() for _ in range(5)]
    assert list(exported()) == sorted(person.login for person in people)
