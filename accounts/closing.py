"""The end of an account: its owner is told once, some weeks before the day that HR gave (peers 28)."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from accounts.models import Account, AccountQuerySet
from accounts.notices import addresses_on_file
from outbox.enums import Kind, Priority
from outbox.models import Message
from outbox.tasks import send_due_messages
from outbox.waking import wake

BATCH = 500
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('accounts.closing'))"


def announce_closings() -> int:
    """Tell everybody whose account closes within CLOSING_NOTICE_DAYS and who was not told of that day; how many people.

    Safe to run twice, at once, or again after it was killed. A mail that waits is cancelled when HR moves the day, and
    another tells the new one.
    """
    told = 0
    while batch := _announce_some():
        told += batch
    if told:
        wake(send_due_messages)
    return told


def subject_of(account: Account) -> int:
    """What the notice is about: the day, so that another day is another notice."""
    assert account.end_date is not None
    return account.end_date.toordinal()


@transaction.atomic
def _announce_some() -> int:
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME)
    people = list(_to_be_told()[:BATCH])
    Message.objects.bulk_create(
        Message(
            kind=Kind.ACCOUNT_CLOSING,
            person=person,
            address=address,
            language=person.language,
            subject_id=subject_of(person),
            priority=Priority.BULK,
        )
        for person in people
        for address in addresses_on_file(person)
    )
    return len(people)
