"""Reminders for people who have not activated their account: a fresh link once the last one has expired, then every
week, a few times, until they say that it is enough.
"""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import Account
from activation.models import Reminders
from core.celery import enqueue_on_commit
from journal.events import Event
from journal.services import record_event
from outbox.deadlines import has_passed
from outbox.enums import UNFINISHED, Kind, Priority, Status
from outbox.models import Message
from outbox.tasks import send_due_messages

#: Mails that carry an activation link.
WITH_LINK = (Kind.ACTIVATION, Kind.NEW_LINK, Kind.ACTIVATION_REMINDER)
#: What became of a mail to an address that is not written to again by itself.
UNREACHABLE = (Status.BOUNCED, Status.COMPLAINED, Status.REFUSED)
BATCH = 5_000

# Two workers at once: the second one waits for the row of the first, finds it of today, and leaves it.
REMIND_SOME = """
WITH due AS (
    SELECT account.id, account.recovery_address, account.language
    FROM accounts_account account
    CROSS JOIN LATERAL (
        SELECT max(deadline) AS deadline, bool_or(status = ANY(%(unfinished)s)) AS is_under_way
        FROM outbox_message WHERE person_id = account.id AND kind = ANY(%(with_link)s)
    ) link
    LEFT JOIN activation_reminders reminders ON reminders.account_id = account.id
    WHERE account.id > %(last)s
        AND account.activated_at IS NULL
        AND account.recovery_address <> ''
        AND account.recovery_address_disputed_at IS NULL
        AND coalesce(account.end_date >= %(today)s, true)
        AND link.deadline < %(now)s
        AND NOT link.is_under_way
        AND coalesce(
            reminders.sent_to <> account.recovery_address
                OR reminders.last_on <= %(not_since)s AND reminders.sent < %(most)s,
            true
        )
        AND reminders.stopped_for IS DISTINCT FROM account.recovery_address
        AND NOT EXISTS (SELECT FROM accounts_lock WHERE account_id = account.id AND released_at IS NULL)
        AND NOT EXISTS (
            SELECT FROM outbox_message
            WHERE address = account.recovery_address AND status = ANY(%(unreachable)s)
        )
    ORDER BY account.id
    LIMIT %(size)s
), noted AS (
    INSERT INTO activation_reminders AS reminders (account_id, sent, sent_to, last_on, stopped_for)
    SELECT id, 1, recovery_address, %(today)s, '' FROM due
    ON CONFLICT (account_id) DO UPDATE SET
        sent = CASE WHEN reminders.sent_to = EXCLUDED.sent_to THEN reminders.sent + 1 ELSE 1 END,
        sent_to = EXCLUDED.sent_to,
        last_on = EXCLUDED.last_on
    WHERE coalesce(reminders.sent_to <> EXCLUDED.sent_to OR reminders.last_on <= %(not_since)s, true)
    RETURNING account_id
), queued AS (
    INSERT INTO outbox_message (
        kind, person_id, address, language, priority, status, created_at, due_at, attempts, reference, provider_id,
        answer
    )
    SELECT
        %(kind)s, id, recovery_address, language, %(priority)s, %(queued)s, %(now)s, %(now)s, 0, gen_random_uuid(), '',
        ''
    FROM due JOIN noted ON noted.account_id = due.id
    ORDER BY id
    RETURNING id
)
SELECT (SELECT max(id) FROM due), (SELECT count(*) FROM queued)
"""


class Batch(NamedTuple):
    """How far one batch went: the last account looked at, None at the end, and how many people were reminded."""

    last: int | None
    reminded: int


def send_reminders() -> int:
    """Ask for a mail to everybody whose last link has expired; how many people.

    Nobody is written to twice in REMINDERS_EVERY_DAYS days, more than REMINDERS_AT_MOST times, at an address that was
    disputed or that refuses mail, or once they have asked for no more; a corrected address starts anew. Safe to run
    twice, at once, or again after it was killed; each batch is one transaction.
    """
    if not settings.REMINDERS_EVERY_DAYS or not settings.REMINDERS_AT_MOST:
        return 0
    reminded, last = 0, 0
    while (batch := _remind_some(last)).last is not None:
        reminded, last = reminded + batch.reminded, batch.last
    if reminded:
        enqueue_on_commit(send_due_messages)
    return reminded


@transaction.atomic
def stop_reminders(*, account: Account) -> None:
    """Write no more reminders to the recovery address as it is; another one that HR finds is somebody else's."""
    account = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    if reminders_stopped(account):
        return
    Reminders.objects.update_or_create(account=account, defaults={"stopped_for": account.recovery_address})
    record_event(account=account, event=Event.REMINDERS_STOPPED)


def reminders_stopped(account: Account) -> bool:
    """Whether whoever reads the recovery address has asked for no more."""
    return Reminders.objects.filter(account=account, stopped_for=account.recovery_address).exists()


def last_link_expired_at(reminder: Message) -> datetime | None:
    """When the last link mailed before `reminder` expired; None when there was none, or when it is still good."""
    links = Message.objects.filter(person=reminder.person_id, kind__in=WITH_LINK).exclude(pk=reminder.pk)
    deadline: datetime | None = links.aggregate(last=Max("deadline"))["last"]
    return deadline if deadline is not None and has_passed(deadline, timezone.now()) else None


@transaction.atomic
def _remind_some(last: int) -> Batch:
    today = timezone.localdate()
    with connection.cursor() as cursor:
        cursor.execute(REMIND_SOME, {**_words(), **_days(today), "last": last, "size": BATCH})
        row: tuple[int | None, int] = cursor.fetchone()
    return Batch(*row)


def _days(today: date) -> dict[str, datetime | date | int]:
    return {
        "now": timezone.now(),
        "today": today,
        "not_since": today - timedelta(days=settings.REMINDERS_EVERY_DAYS),
        "most": settings.REMINDERS_AT_MOST,
    }


def _words() -> dict[str, list[str] | str | int]:
    return {
        "with_link": [kind.value for kind in WITH_LINK],
        "unfinished": [status.value for status in UNFINISHED],
        "unreachable": [status.value for status in UNREACHABLE],
        "kind": Kind.ACTIVATION_REMINDER.value,
        "priority": Priority.BULK.value,
        "queued": Status.QUEUED.value,
    }
