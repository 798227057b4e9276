"""Mailboxes of those who become members of staff after their activation, and of those who are staff no more."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account
from journal.events import Event
from mailrouting.models import Mailbox, Redirection
from tests.accounts.recovery.recovering import browser_of
from tests.factories import active_account, pending_account
from tests.hr_feed.hr_files import imported, row

pytestmark = pytest.mark.django_db

STUDENT = {"category": Category.STUDENT, "hr_id": "HR1"}
YESTERDAY = timezone.localdate() - timedelta(days=1)


def hr_says(category: Category, **facts: str) -> None:
    imported(row(category=category.value, **facts))


def opened(person: Account) -> int:
    return person.journal.filter(event=Event.MAILBOX_CREATED).count()


def test_a_student_who_becomes_staff_gets_one():
    """As at the activation of a member of staff; nobody pressed a button, so the entry is nobody's."""
    person = active_account(**STUDENT)

    hr_says(Category.STAFF)

    assert Mailbox.objects.get(account=person).address == person.institutional_address
    assert person.journal.get(event=Event.MAILBOX_CREATED).actor is None


def test_the_agent_who_imports_is_named():
    person, agent = active_account(**STUDENT), active_account()
    imported(row(category="staff"), actor=agent)
    assert person.journal.get(event=Event.MAILBOX_CREATED).actor == agent


def test_importing_again_opens_no_other():
    person = active_account(**STUDENT)
    hr_says(Category.STAFF)
    hr_says(Category.STAFF, family_name="Durand-Martin")
    hr_says(Category.STUDENT)
    hr_says(Category.STAFF)
    assert Mailbox.objects.filter(account=person).count() == 1
    assert opened(person) == 1


def test_who_is_staff_no_more_keeps_theirs():
    """What was received there is theirs; HR's end date is what closes it."""
    person = active_account(hr_id="HR1")
    hr_says(Category.STUDENT)
    assert Mailbox.objects.filter(account=person).exists()


def test_other_categories_get_none():
    person = active_account(hr_id="HR1", category=Category.HOSTED)
    for category in (Category.STUDENT, Category.HOSTED):
        hr_says(category)
        assert not Mailbox.objects.filter(account=person).exists()


def test_who_has_not_activated_gets_one_at_the_activation():
    person = pending_account(**STUDENT)
    hr_says(Category.STAFF)
    assert not Mailbox.objects.filter(account=person).exists()


def test_who_has_left_gets_one_when_they_come_back():
    person = active_account(**STUDENT, end_date=YESTERDAY)
    hr_says(Category.STAFF, end_date=YESTERDAY.isoformat())
    assert not Mailbox.objects.filter(account=person).exists()

    hr_says(Category.STAFF, end_date="")

    assert Mailbox.objects.filter(account=person).exists()


def test_looking_at_a_file_opens_none():
    person = active_account(**STUDENT)
    imported(row(category="staff"), dry_run=True)
    assert not Mailbox.objects.filter(account=person).exists()


def test_the_new_member_of_staff_sees_it_and_may_forward():
    person = active_account(**STUDENT)
    hr_says(Category.STAFF)
    browser: Client = browser_of(person)

    page = browser.get(reverse("account")).content.decode()

    assert "Boîte universitaire" in page
    assert person.institutional_address in page
    browser.post(reverse("account-redirection"), {"target": person.recovery_address, "keep_copy": "on"})
    assert Redirection.objects.in_force().get().account == person
