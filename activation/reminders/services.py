"""Reminders of a pending activation: a new link once the last one has expired, then weekly, a few times."""

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
#: Final statuses after which an address gets no automatic mail.
UNREACHABLE = (Status.BOUNCED, Status.COMPLAINED, Status.REFUSED)
BATCH = 5_000

# A concurrent worker waits for the row of the first, finds today's date there and skips it.
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
), recorded AS (
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
    FROM due JOIN recorded ON recorded.account_id = due.id
    ORDER BY id
    RETURNING id
)
SELECT (SELECT max(id) FROM due), (SELECT count(*) FROM queued)
"""


class Batch(NamedTuple):
    """`last` is the last account examined, None at the end."""

    last: int | None
    reminded: int


def send_reminders() -> int:
    """Queue a reminder for each pending account whose last link has expired. Returns their number.

    An account gets at most one in REMINDERS_EVERY_DAYS days and REMINDERS_AT_MOST in all; none goes to an address that
    is disputed, refuses mail or has unsubscribed. A corrected address starts at zero. Idempotent, also when run
    concurrently or again after a crash: each batch is one transaction.
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
    """Send no more reminders to the current recovery address. A corrected address gets them again. Idempotent."""
    account = Account.objects.lock(account.pk)
    if reminders_stopped(account):
        return
    Reminders.objects.update_or_create(account=account, defaults={"stopped_for": account.recovery_address})
    record_event(account=account, event=Event.REMINDERS_STOPPED)


def reminders_stopped(account: Account) -> bool:
    """Whether the current recovery address has unsubscribed."""
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
        cursor.execute(REMIND_SOME, {**_enum_parameters(), **_time_parameters(today), "last": last, "size": BATCH})
        row: tuple[int | None, int] = cursor.fetchone()
    return Batch(*row)


def _time_parameters(today: date) -> dict[str, datetime | date | int]:
    return {
        "now": timezone.now(),
        "today": today,
        "not_since": today - timedelta(days=settings.REMINDERS_EVERY_DAYS),
        "most": settings.REMINDERS_AT_MOST,
    }


def _enum_parameters() -> dict[str, list[str] | str | int]:
    return {
        "with_link": [kind.value for kind in WITH_LINK],
        "unfinished": [status.value for status in UNFINISHED],
        "unreachable": [status.value for status in UNREACHABLE],
        "kind": Kind.ACTIVATION_REMINDER.value,
        "priority": Priority.BULK.value,
        "queued": Status.QUEUED.value,
    }
