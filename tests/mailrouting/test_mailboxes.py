"""Mailboxes of users who become members of staff after their activation, and of those who no longer are."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account
from journal.events import Event
from mailrouting.models import Mailbox, Redirection
from tests.factories import active_account, pending_account
from tests.hr_feed.hr_files import imported, row
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

YESTERDAY = timezone.localdate() - timedelta(days=1)


def hr_sends(category: Category, **facts: str) -> None:
    imported(row(category=category.value, **facts))


def has_mailbox(person: Account) -> bool:
    return Mailbox.objects.filter(account=person).exists()


def test_a_student_who_becomes_staff_gets_one_once():
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
    assert Mailbox.objects.get(account=person).address == person.institutional_address
    assert person.journal.get(event=Event.MAILBOX_CREATED).actor is None
    browser = browser_of(person)
    page = browser.get(reverse("account")).content.decode()
    assert all(text in page for text in ("Boîte universitaire", person.institutional_address))
    browser.post(reverse("account-redirection"), {"target": person.recovery_address, "keep_copy": "on"})
    assert Redirection.objects.in_force().get().account == person
    other = active_account(category=Category.STUDENT, hr_id="HR2")
    imported(row(category="staff", hr_id="HR2", institutional_address=other.institutional_address), actor=agent)
    assert other.journal.get(event=Event.MAILBOX_CREATED).actor == agent


def test_only_active_members_of_staff_get_one():
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
    assert Account.objects.get(pk=pending.pk).category == Category.STAFF
    assert not has_mailbox(pending)
