"""Notices some weeks before the end date given by HR; a journal entry the day after."""

from datetime import date, timedelta
from typing import cast

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import ExtractDay, ExtractMonth, ExtractYear
from django.utils import timezone

from accounts.models import Account, AccountQuerySet
from accounts.notifications import notification_addresses
from core.celery import enqueue_on_commit
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_events
from outbox.enums import Kind, Priority
from outbox.models import Message
from outbox.tasks import send_due_messages

BATCH = 500
#: Longer than any interruption of the scheduler.
LOOK_BACK = timedelta(days=31)
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('accounts.expiry'))"


def send_closing_notices() -> int:
    """Once for each end date, CLOSING_NOTICE_DAYS before it. Idempotent. Returns the number of accounts.

    When HR moves the end date, the outbox cancels the unsent mail (`accounts.emails`), and another one is queued.
    """
    notified, last = 0, 0
    while people := _queue_batch(last):
        notified, last = notified + len(people), people[-1].pk
    if notified:
        enqueue_on_commit(send_due_messages)
    return notified


def record_closings() -> int:
    """Once for each end date of the last month. Idempotent. Returns the number of accounts."""
    recorded = 0
    while people := _record_batch():
        recorded += len(people)
    return recorded


def day_as_number(day: date) -> int:
    """20270131 for 31 January 2027: the `subject_id` of a notice."""
    return day.year * 10_000 + day.month * 100 + day.day


@transaction.atomic
def _queue_batch(last: int) -> list[Account]:
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME)
    people = list(_without_notice().filter(pk__gt=last).select_related("mailbox")[:BATCH])
    Message.objects.bulk_create(
        Message(
            kind=Kind.ACCOUNT_CLOSING,
            person=person,
            address=address,
            language=person.language,
            subject_id=day_as_number(cast(date, person.end_date)),
            priority=Priority.BULK,
        )
        for person in people
        for address in notification_addresses(person)
    )
    return people


@transaction.atomic
def _record_batch() -> list[Account]:
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME)
    people = list(_unrecorded_closings()[:BATCH])
    record_events(accounts=people, event=Event.USER_ARCHIVED)
    return people


def _unrecorded_closings() -> AccountQuerySet:
    today = timezone.localdate()
    ended = Account.objects.filter(end_date__lt=today, end_date__gte=today - LOOK_BACK, erased_at__isnull=True)
    entries = JournalEntry.objects.filter(account=OuterRef("pk"), event=Event.USER_ARCHIVED)
    closed: AccountQuerySet = ended.exclude(Exists(entries.filter(at__date__gt=OuterRef("end_date")))).order_by("pk")
    return closed


def _without_notice() -> AccountQuerySet:
    if not settings.CLOSING_NOTICE_DAYS:
        return cast(AccountQuerySet, Account.objects.none())
    today = timezone.localdate()
    last_day = today + timedelta(days=settings.CLOSING_NOTICE_DAYS)
    day = ExtractYear("end_date") * 10_000 + ExtractMonth("end_date") * 100 + ExtractDay("end_date")
    notices = Message.objects.filter(kind=Kind.ACCOUNT_CLOSING, person=OuterRef("pk"), subject_id=OuterRef("day"))
    leaving: AccountQuerySet = Account.objects.active().filter(end_date__range=(today, last_day)).annotate(day=day)
    return leaving.exclude(Exists(notices)).order_by("pk")
