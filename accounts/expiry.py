"""The end of an account: its owner is told once, some weeks before the day that HR gave; the journal, the day after."""

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
#: How old an end date may be that is noted: longer than any night without a beat.
LOOKED_BACK = timedelta(days=31)
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('accounts.expiry'))"


def send_closing_notices() -> int:
    """Tell everybody whose account closes within CLOSING_NOTICE_DAYS and who was not told of that day; how many people.

    Safe to run twice, at once, or again after it was killed. A mail that waits is cancelled when HR moves the day, and
    another tells the new one.
    """
    told, last = 0, 0
    while people := _announce_some(last):
        told, last = told + len(people), people[-1].pk
    if told:
        enqueue_on_commit(send_due_messages)
    return told


def record_closings() -> int:
    """Note in the journal whose account has closed by itself, once for each end date (LOG-01); how many people.

    Nobody acts that day, so nothing else would tell. A night without a beat loses none. Safe to run twice, or at once.
    """
    recorded = 0
    while people := _record_some():
        recorded += len(people)
    return recorded


def day_as_number(day: date) -> int:
    """What a notice is about: 20270131 is 31 January 2027. Another day is another notice."""
    return day.year * 10_000 + day.month * 100 + day.day


@transaction.atomic
def _announce_some(last: int) -> list[Account]:
    """Ask for the mails of some people behind the account `last`; empty at the end."""
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME)
    people = list(_to_be_told().filter(pk__gt=last).select_related("mailbox")[:BATCH])
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
def _record_some() -> list[Account]:
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME)
    people = list(_closed_lately()[:BATCH])
    record_events(accounts=people, event=Event.USER_ARCHIVED)
    return people


def _closed_lately() -> AccountQuerySet:
    """Closed for a month at most, and not in the journal yet."""
    today = timezone.localdate()
    ended = Account.objects.filter(end_date__lt=today, end_date__gte=today - LOOKED_BACK, erased_at__isnull=True)
    entries = JournalEntry.objects.filter(account=OuterRef("pk"), event=Event.USER_ARCHIVED)
    closed: AccountQuerySet = ended.exclude(Exists(entries.filter(at__date__gt=OuterRef("end_date")))).order_by("pk")
    return closed


def _to_be_told() -> AccountQuerySet:
    if not settings.CLOSING_NOTICE_DAYS:
        return cast(AccountQuerySet, Account.objects.none())
    today = timezone.localdate()
    last_day = today + timedelta(days=settings.CLOSING_NOTICE_DAYS)
    day = ExtractYear("end_date") * 10_000 + ExtractMonth("end_date") * 100 + ExtractDay("end_date")
    notices = Message.objects.filter(kind=Kind.ACCOUNT_CLOSING, person=OuterRef("pk"), subject_id=OuterRef("day"))
    leaving: AccountQuerySet = Account.objects.active().filter(end_date__range=(today, last_day)).annotate(day=day)
    return leaving.exclude(Exists(notices)).order_by("pk")
