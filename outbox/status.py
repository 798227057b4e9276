"""Records the outcome of each mail right after the server's answer, so that a killed worker sends at most one twice.

Only the worker that holds the lease writes; except that an accepted mail is recorded as sent even if the lease has
expired and another worker has requeued the row.
"""

import logging
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from outbox.enums import Status
from outbox.models import Message, MessageQuerySet
from outbox.transport import Accepted, Answer, Postponed, Refused

logger = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(days=4)
# About half a day of attempts.
FEWEST_ATTEMPTS = 20
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=1)
# LONGEST_DELAY is reached after so many; a larger exponent would overflow.
DOUBLINGS = 7

# Run for each mail; the ORM would compile it anew each time.
MARK_SENT = """
UPDATE outbox_message SET status = 'sent', leased_until = NULL, sent_at = %s, provider_id = %s
WHERE id = %s AND status IN ('sending', 'queued')
"""


def mark_built(messages: Iterable[Message]) -> None:
    """Save build time and deadline before anything is sent; one statement for equal values."""
    groups = defaultdict(list)
    for message in messages:
        groups[message.built_at, message.deadline].append(message.pk)
    for (built_at, deadline), pks in groups.items():
        Message.objects.filter(pk__in=pks).update(built_at=built_at, deadline=deadline)


def record_answer(message: Message, answer: Answer) -> None:
    """Record the answer; a postponed mail is retried for GIVE_UP_AFTER."""
    match answer:
        case Accepted(provider_id):
            _mark_sent(message, provider_id)
        case Refused(text):
            _finish(message, Status.REFUSED, text)
        case Postponed(text) if _is_exhausted(message):
            _finish(message, Status.GIVEN_UP, text)
        case Postponed():
            _postpone(message, answer)


def mark_cancelled(message: Message) -> None:
    _leased(message).update(status=Status.CANCELLED, leased_until=None)
    _log_status(message, Status.CANCELLED)


def release_leases(messages: Iterable[Message], *, not_before: datetime | None = None) -> None:
    """Requeue the mails that were not attempted, in their order, or from `not_before` on."""
    due_at = F("due_at") if not_before is None else not_before
    unattempted = Message.objects.filter(pk__in=[message.pk for message in messages], status=Status.SENDING)
    unattempted.update(status=Status.QUEUED, leased_until=None, attempts=F("attempts") - 1, due_at=due_at)


def delay_before_retry(attempts: int) -> timedelta:
    """Exponential: 30 s after the first attempt, doubled up to one hour, with 20 % of jitter."""
    delay: timedelta = min(FIRST_DELAY * 2 ** min(attempts - 1, DOUBLINGS), LONGEST_DELAY)
    return delay * random.uniform(0.8, 1.2)  # noqa: S311 - jitter is not a secret


def _is_exhausted(message: Message) -> bool:
    """Also counts attempts: a mail that only waited for a worker has not been tried for days."""
    return message.attempts >= FEWEST_ATTEMPTS and timezone.now() - message.created_at > GIVE_UP_AFTER


def _mark_sent(message: Message, provider_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MARK_SENT, [timezone.now(), provider_id, message.pk])
    _log_status(message, Status.SENT)


def _finish(message: Message, status: Status, answer: str) -> None:
    _leased(message).update(status=status, leased_until=None, answer=answer)
    _log_status(message, status)


def _postpone(message: Message, answer: Postponed) -> None:
    due_at = timezone.now() + delay_before_retry(message.attempts)
    with transaction.atomic():
        is_new = bool(answer.fault) and _is_new(answer.fault)
        _leased(message).update(
            status=Status.QUEUED, leased_until=None, due_at=due_at, answer=answer.answer, fault=answer.fault
        )
    logger.log(
        logging.ERROR if is_new else logging.WARNING,
        "Mail %s (%s) postponed: %s",
        message.pk,
        message.kind,
        answer.answer,
        exc_info=answer.error if is_new else None,
    )


def _is_new(fault: str) -> bool:
    """Whether no waiting mail has met it: a fault that concerns all mails is one alert, not one for each."""
    with connection.cursor() as cursor:
        # The first mails of several workers meet it at once.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"outbox fault {fault}"])
    return not Message.objects.unfinished().filter(fault=fault).exists()


def _leased(message: Message) -> MessageQuerySet:
    """The row, unless another worker has leased it since: each lease counts an attempt."""
    return Message.objects.filter(pk=message.pk, status=Status.SENDING, attempts=message.attempts)


def _log_status(message: Message, status: Status) -> None:
    logger.info("Mail %s (%s): %s", message.pk, message.kind, status)
