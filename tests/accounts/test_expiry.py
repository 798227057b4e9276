"""Notices before the end date of an account, and the journal's entry of the day after."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.enums import State
from accounts.expiry import record_closings, send_closing_notices
from accounts.models import Account
from journal.events import Event
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from privacy.erasure import erase_person
from tests.accounts.recovery.recovering import lock, recipients
from tests.concurrency import attempted_together
from tests.factories import active_account, events_of, pending_account
from tests.mail_delivery import text_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_the_morning(time_machine) -> None:
    time_machine.move_to(NOW, tick=False)


def day_in(days: int) -> date:
    return timezone.localdate(NOW) + timedelta(days=days)


def leaves_in(days: int, **facts: Any) -> Account:
    return active_account(end_date=day_in(days), **facts)


def test_notices_go_to_both_addresses_of_active_accounts_once_some_weeks_before(settings):
    """ENU-05, AVL-09: behind the mails that users wait for; only where the account can be mailed."""
    notified, _others = [leaves_in(days) for days in (0, 30)], [leaves_in(31), leaves_in(-1), active_account()]
    disputed = leaves_in(20, recovery_address_disputed_at=NOW)
    pending_account(end_date=day_in(20))
    lock(leaves_in(20))
    settings.CLOSING_NOTICE_DAYS, days = 0, settings.CLOSING_NOTICE_DAYS
    assert send_closing_notices() == 0
    settings.CLOSING_NOTICE_DAYS = days
    assert (send_closing_notices(), send_closing_notices()) == (3, 0)
    expected = [address for account in notified for address in (account.recovery_address, account.login)]
    assert recipients(kind=Kind.ACCOUNT_CLOSING, priority=Priority.BULK) == [*expected, disputed.login]


def test_a_notice_is_cancelled_when_hr_moves_the_day_and_another_day_gets_another_notice(mail_delivery):
    leaves_in(20)
    send_closing_notices()
    Account.objects.update(end_date=None)
    assert mail_delivery.deliver() == []
    assert set(Message.objects.values_list("status", flat=True)) == {Status.CANCELLED}
    account = leaves_in(20)
    send_closing_notices()
    mail_delivery.deliver()
    Account.objects.filter(pk=account.pk).update(end_date=day_in(25))
    assert send_closing_notices() == 1
    assert "17\N{NO-BREAK SPACE}décembre 2026" in text_of(mail_delivery.last_mail())


@pytest.mark.django_db(transaction=True)
def test_two_workers_notify_everyone_once(monkeypatch):
    """AVL-05"""
    monkeypatch.setattr("accounts.expiry.BATCH", 1)
    for _ in range(6):
        leaves_in(20)
    assert sum(attempted_together(send_closing_notices, send_closing_notices)) == 6
    assert Message.objects.filter(kind=Kind.ACCOUNT_CLOSING).count() == 12


def test_closings_of_the_last_month_are_recorded_once(monkeypatch, time_machine):
    """LOG-01: an erased account has none, one that reopens and closes again has two."""
    monkeypatch.setattr("accounts.expiry.BATCH", 2)
    accounts = {days: leaves_in(days) for days in (0, -1, -2, -3, -31, -32)}
    erase_person(account=leaves_in(-3))
    assert (record_closings(), record_closings()) == (4, 0)
    closed = [days for days, account in accounts.items() if Event.USER_ARCHIVED in events_of(account)]
    assert closed == [-1, -2, -3, -31]
    for last_second, state in (("22:59:59", State.ACTIVE), ("23:00:00", State.CLOSED)):  # Midnight in Paris.
        time_machine.move_to(f"2026-11-22T{last_second}Z", tick=False)
        assert accounts[0].state == state
    Account.objects.filter(pk=accounts[-3].pk).update(end_date=day_in(5))
    assert record_closings() == 1
    time_machine.move_to(NOW + timedelta(days=10), tick=False)
    assert (record_closings(), record_closings()) == (1, 0)
    assert [events_of(accounts[days]).count(Event.USER_ARCHIVED) for days in (0, -3)] == [1, 2]
