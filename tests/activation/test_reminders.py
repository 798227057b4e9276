"""Reminders: a fresh link once the last one has expired, then weekly, a few times, unless the reader unsubscribes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import State
from accounts.models import Account
from activation.links import activation_link, reminders_link
from activation.models import Reminders
from activation.reminders import services
from activation.reminders.services import send_reminders, stop_reminders
from journal.events import Event
from outbox.deadlines import end_of_next_day
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from tests.activation.states import changed, correct_the_address, lock
from tests.concurrency import together
from tests.factories import active_account, events_of, pending_account, reloaded
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

#: The first mail leaves on a Monday; its link is valid until Tuesday night.
MONDAY = datetime(2026, 11, 16, 7, tzinfo=UTC)
WEDNESDAY = MONDAY + timedelta(days=2)


@pytest.fixture(autouse=True)
def go_to(time_machine) -> Callable[[datetime], None]:
    """Another moment, at which time stands still; at first on Wednesday."""
    move = partial(time_machine.move_to, tick=False)
    move(WEDNESDAY)
    return move


def mailed(person: Account, at: datetime, *, kind: Kind = Kind.ACTIVATION, status: Status = Status.SENT) -> Account:
    times = {"created_at": at, "built_at": at, "deadline": end_of_next_day(at), "leased_until": at}
    Message.objects.create(kind=kind, person=person, address=person.recovery_address, status=status, **times)
    return person


def invited(**facts: Any) -> Account:
    return mailed(pending_account(**facts), MONDAY)


def reminders_of(person: Account) -> list[str]:
    reminders = Message.objects.filter(person=person, kind=Kind.ACTIVATION_REMINDER)
    return list(reminders.order_by("pk").values_list("address", flat=True))


def days_with_a_reminder(go_to, mail_delivery, *, since: int = 0) -> list[int]:
    """After how many days since Wednesday a reminder was queued."""
    days = []
    for day in range(since, 30):
        go_to(WEDNESDAY + timedelta(days=day))
        if send_reminders():
            days.append(day)
        mail_delivery.deliver()
    return days


def test_a_reminder_follows_once_the_link_has_expired_and_not_before(go_to, mail_delivery):
    """It has a fresh link and says when the old one ended; a second run on the same day sends none."""
    person = invited()
    go_to(end_of_next_day(MONDAY))
    assert send_reminders() == 0
    go_to(end_of_next_day(MONDAY) + timedelta(seconds=2))
    assert (send_reminders(), send_reminders()) == (1, 0)
    mail = Message.objects.get(person=person, kind=Kind.ACTIVATION_REMINDER)
    assert (mail.address, mail.priority, mail.status) == (person.recovery_address, Priority.BULK, Status.QUEUED)
    text = text_of(mail_delivery.last_mail()).replace("\N{NO-BREAK SPACE}", " ")
    assert "a expiré le mardi 17 novembre 2026 à 23 h 59" in text
    assert activation_link.open(link_in(mail_delivery.last_mail()).split("/")[-2]).account == person


def test_the_settings_decide_how_often_and_how_many_times(go_to, mail_delivery, settings):
    for days, most, expected in ((7, 4, [0, 7, 14, 21]), (3, 2, [0, 3]), (0, 4, []), (7, 0, [])):
        settings.REMINDERS_EVERY_DAYS, settings.REMINDERS_AT_MOST = days, most
        person = invited()
        assert days_with_a_reminder(go_to, mail_delivery) == expected
        assert len(reminders_of(person)) == len(expected)
        person.delete()


def test_a_corrected_address_is_reminded_from_the_beginning(go_to, mail_delivery, settings):
    """Neither the number nor the week of the reminders sent to the wrong address counts."""
    settings.REMINDERS_AT_MOST = 2
    person = invited()
    assert send_reminders() == 1
    mailed(reloaded(correct_the_address(person)), WEDNESDAY + timedelta(days=2))
    # The day after the new link has ended, then once more.
    assert days_with_a_reminder(go_to, mail_delivery, since=3) == [4, 11]
    assert reminders_of(person) == [person.recovery_address, *["correcte@exemple.net"] * 2]


def test_who_is_reminded():
    """EML-06: no address that refuses mail or is disputed, no departed, locked or active user, no pending mail."""
    reminded = [mailed(pending_account(), MONDAY, status=status) for status in (Status.DELIVERED, Status.GIVEN_UP)]
    for status in (Status.BOUNCED, Status.COMPLAINED, Status.REFUSED, Status.QUEUED, Status.SENDING):
        mailed(pending_account(), MONDAY, status=status)
    yesterday = (WEDNESDAY - timedelta(days=1)).date()
    for facts in ({"recovery_address_disputed_at": MONDAY}, {"recovery_address": ""}, {"end_date": yesterday}):
        invited(**facts)
    pending_account()
    mailed(invited(), WEDNESDAY - timedelta(hours=1), kind=Kind.NEW_LINK)
    mailed(active_account(), MONDAY)
    lock(invited())
    assert send_reminders() == 2
    assert [len(reminders_of(person)) for person in reminded] == [1, 1]


def test_a_reminder_that_is_no_longer_needed_is_cancelled_before_it_leaves(mail_delivery):
    activated, asked = invited(), invited()
    assert send_reminders() == 2
    changed(activated, activated_at=WEDNESDAY, charter_accepted_at=WEDNESDAY, password="x")
    mailed(asked, WEDNESDAY, kind=Kind.NEW_LINK)
    assert mail_delivery.deliver() == []
    assert Message.objects.get(person=activated, kind=Kind.ACTIVATION_REMINDER).status == Status.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_remind_each_account_once_in_batches(monkeypatch):
    """AVL-05, AVL-09"""
    monkeypatch.setattr(services, "BATCH", 2)
    people = [invited() for _ in range(6)]
    assert sum(together(send_reminders, send_reminders)) == 6
    assert [len(reminders_of(person)) for person in people] == [1] * 6


def test_the_link_in_the_mail_stops_them_without_login(mail_delivery, client, go_to):
    """TOK-06, TOK-07, TOK-09, TOK-10: a corrected address is reminded again, and revokes the link, good for three months."""
    person = invited()
    activation = activation_link.token(person, activation_link.deadline(timezone.now()))
    send_reminders()
    link = text_of(mail_delivery.last_mail()).split(":8000")[2].split()[0]
    opened = client.get(link)
    assert (opened["Location"], opened["Referrer-Policy"]) == (reverse("reminders"), "no-referrer")
    page = client.get(link, follow=True).content.decode()
    assert not any(fact in page for fact in (person.login, person.given_name, person.recovery_address))
    assert not Reminders.objects.exclude(stopped_for="").exists()
    answer = client.post(reverse("reminders"), follow=True)
    assert answer.redirect_chain == [(reverse("reminders-stopped"), 302)]
    assert Reminders.objects.get().stopped_for == person.recovery_address
    assert activation_link.open(activation).account == person
    stop_reminders(account=person)
    client.get(link)
    assert client.post(reverse("reminders")).status_code == 410
    assert events_of(person) == [Event.REMINDERS_STOPPED]
    go_to(WEDNESDAY + timedelta(days=8))
    assert send_reminders() == 0
    assert reloaded(person).state == State.PENDING

    other_link = reminders_link.url(invited(), reminders_link.deadline(WEDNESDAY))
    mailed(reloaded(correct_the_address(person)), WEDNESDAY)
    assert Client().get(link).status_code == 404
    assert send_reminders() == 2
    for days, status in ((90, 200), (92, 410)):
        go_to(WEDNESDAY + timedelta(days=days))
        assert Client().get(other_link, follow=True).status_code == status
