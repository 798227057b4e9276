"""The end of an account: told once beforehand, to both addresses, and taken back when HR moves the day."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.enums import Category, LockReason, State
from accounts.expiry import record_closings, send_closing_notices
from accounts.locking.lock import lock_account
from accounts.models import Account
from journal.events import Event
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from privacy.erasure import erase_person
from tests.factories import active_account, pending_account
from tests.mail_delivery import text_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
TODAY = timezone.localdate(NOW)


@pytest.fixture(autouse=True)
def in_the_morning(time_machine) -> None:
    """The hour of the notices."""
    time_machine.move_to(NOW, tick=False)


def leaves_in(days: int, **facts: Any) -> Account:
    return active_account(end_date=TODAY + timedelta(days=days), **facts)


def move(person: Account, days: int | None) -> None:
    """HR has another day."""
    end = None if days is None else TODAY + timedelta(days=days)
    Account.objects.filter(pk=person.pk).update(end_date=end)


def notices(person: Account, **facts: Any) -> set[str]:
    found = Message.objects.filter(person=person, kind=Kind.ACCOUNT_CLOSING, **facts)
    return set(found.values_list("address", flat=True))


@pytest.mark.parametrize(("days", "is_told"), [(0, True), (30, True), (31, False), (-1, False)])
def test_people_are_told_some_weeks_before(days, is_told):
    person = leaves_in(days)

    assert send_closing_notices() == int(is_told)

    assert notices(person) == ({person.recovery_address, person.institutional_address} if is_told else set())


def test_people_are_told_once():
    person = leaves_in(20)

    assert (send_closing_notices(), send_closing_notices()) == (1, 0)

    assert Message.objects.filter(person=person, kind=Kind.ACCOUNT_CLOSING).count() == 2


def test_thousands_of_notices_wait_behind_whoever_asks_for_something():
    """ENU-05, AVL-09."""
    leaves_in(20)
    send_closing_notices()

    assert set(Message.objects.values_list("priority", flat=True)) == {Priority.BULK}


def test_whoever_has_no_end_date_is_told_nothing():
    active_account()

    assert send_closing_notices() == 0


@pytest.mark.parametrize("days", [None, 90])
def test_a_notice_that_has_not_left_is_cancelled_when_hr_moves_the_day(postman, days):
    person = leaves_in(20)
    send_closing_notices()
    move(person, days)

    assert postman.deliver() == []
    assert notices(person, status=Status.CANCELLED) == notices(person)


def test_another_day_is_another_notice(postman):
    person = leaves_in(20)
    send_closing_notices()
    postman.deliver()
    move(person, 25)

    assert send_closing_notices() == 1

    day = (TODAY + timedelta(days=25)).day
    assert f"{day}\N{NO-BREAK SPACE}décembre 2026" in text_of(postman.last_mail())


def test_only_who_can_use_the_account_is_told():
    """The others lose nothing that they have; whoever is unlocked in time is told then."""
    end = TODAY + timedelta(days=20)
    pending_account(end_date=end)
    locked = leaves_in(20)
    lock_account(account=locked, reason=LockReason.OTHER)

    assert send_closing_notices() == 0


def test_an_address_that_belongs_to_somebody_else_is_not_written_to():
    person = leaves_in(20, recovery_address_disputed_at=NOW)

    send_closing_notices()

    assert notices(person) == {person.institutional_address}


def test_whoever_can_be_written_to_nowhere_holds_nobody_up():
    leaves_in(20, category=Category.STUDENT, recovery_address="")
    other = leaves_in(20)

    send_closing_notices()

    assert notices(other)


def test_a_university_may_do_without(settings):
    settings.CLOSING_NOTICE_DAYS = 0
    leaves_in(0)

    assert send_closing_notices() == 0


def test_an_account_closes_in_paris_when_the_last_day_is_over(time_machine):
    person = leaves_in(0)
    assert person.state == State.ACTIVE

    time_machine.move_to(datetime(2026, 11, 22, 22, 59, 59, tzinfo=UTC), tick=False)
    assert person.state == State.ACTIVE
    time_machine.move_to(datetime(2026, 11, 22, 23, 0, 0, tzinfo=UTC), tick=False)
    assert person.state == State.CLOSED


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_tell_everybody_once():
    """AVL-05."""
    for _ in range(6):
        leaves_in(20)
    barrier = Barrier(2)

    def announce(_: int) -> int:
        try:
            barrier.wait(timeout=10)
            return send_closing_notices()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(announce, range(2)))

    assert sum(told) == 6
    assert Message.objects.filter(kind=Kind.ACCOUNT_CLOSING).count() == 12


def closings_of(person: Account) -> int:
    return person.journal.filter(event=Event.USER_ARCHIVED).count()


@pytest.mark.parametrize(("days", "is_recorded"), [(0, False), (-1, True), (-31, True), (-32, False)])
def test_the_journal_tells_that_an_account_has_closed(days, is_recorded):
    """LOG-01: nobody acts that day. What has been over for long is no news."""
    person = leaves_in(days)

    assert record_closings() == closings_of(person) == int(is_recorded)


def test_a_closing_is_recorded_once():
    person = leaves_in(-3)
    assert (record_closings(), record_closings()) == (1, 0)

    move(person, 5)
    assert record_closings() == 0
    assert closings_of(person) == 1


def test_who_came_back_and_left_again_has_closed_twice(time_machine):
    person = leaves_in(-3)
    record_closings()
    move(person, 5)
    time_machine.move_to(NOW + timedelta(days=10), tick=False)
    assert (record_closings(), record_closings()) == (1, 0)
    assert closings_of(person) == 2


def test_who_was_erased_is_not_written_about():
    person = leaves_in(-3)
    erase_person(account=person)
    assert record_closings() == 0


def test_closings_of_many_people_are_recorded(monkeypatch):
    monkeypatch.setattr("accounts.expiry.BATCH", 2)
    people = [leaves_in(-2) for _number in range(5)]
    assert record_closings() == 5
    assert {closings_of(person) for person in people} == {1}
