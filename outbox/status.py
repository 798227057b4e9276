"""Writing down what became of a mail: at once after the server's answer, so that a killed worker doubles one at most.

Only whoever has the row in hand writes; but a mail that the server took has left, even if the lease has run out and
another worker has put the row back since.
"""

import logging
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F
from django.utils import timezone

from outbox.enums import Status
from outbox.models import Message, MessageQuerySet
from outbox.transport import Accepted, Answer, Postponed, Refused

logger = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(days=4)
# About half a day of tries.
FEWEST_TRIES = 20
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=1)
# After so many doublings the longest delay is reached; days of tries must not make an astronomical number.
DOUBLINGS = 7

# Once for each mail, so as a constant: Django would put the same words together again each time.
NOTE_SENT = """
UPDATE outbox_message SET status = 'sent', leased_until = NULL, sent_at = %s, provider_id = %s
WHERE id = %s AND status IN ('sending', 'queued')
"""


def mark_built(messages: Iterable[Message]) -> None:
    """Fix deadlines on the rows before anything leaves; one statement for all that have the same."""
    alike = defaultdict(list)
    for message in messages:
        alike[message.built_at, message.deadline].append(message.pk)
    for (built_at, deadline), numbers in alike.items():
        Message.objects.filter(pk__in=numbers).update(built_at=built_at, deadline=deadline)


def record_answer(message: Message, answer: Answer) -> None:
    """Record what the server said; what it did not take now is tried again later, for some days."""
    match answer:
        case Accepted(provider_id):
            _note_sent(message, provider_id)
        case Refused(said):
            _finish(message, Status.REFUSED, said)
        case Postponed(said) if _was_tried_enough(message):
            _finish(message, Status.GIVEN_UP, said)
        case Postponed(said):
            _postpone(message, said)


def mark_cancelled(message: Message) -> None:
    """There is nothing to say any more."""
    _in_hand(message).update(status=Status.CANCELLED, leased_until=None)
    _tell(message, Status.CANCELLED)


def release_leases(messages: Iterable[Message], *, not_before: datetime | None = None) -> None:
    """Give back those that were not tried, to be taken again in their order, or from an instant on."""
    due_at = F("due_at") if not_before is None else not_before
    untried = Message.objects.filter(pk__in=[message.pk for message in messages], status=Status.SENDING)
    untried.update(status=Status.QUEUED, leased_until=None, attempts=F("attempts") - 1, due_at=due_at)


def delay_before_retry(attempts: int) -> timedelta:
    """30 s after the first try, then twice as long each time up to one hour, give or take a fifth (AVL-03)."""
    delay: timedelta = min(FIRST_DELAY * 2 ** min(attempts - 1, DOUBLINGS), LONGEST_DELAY)
    return delay * random.uniform(0.8, 1.2)  # noqa: S311 - a jitter is no secret


def _was_tried_enough(message: Message) -> bool:
    """Not what only waited, for a worker or a server: its first "later" must not be its last."""
    return message.attempts >= FEWEST_TRIES and timezone.now() - message.created_at > GIVE_UP_AFTER


def _note_sent(message: Message, provider_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(NOTE_SENT, [timezone.now(), provider_id, message.pk])
    _tell(message, Status.SENT)


def _finish(message: Message, status: Status, said: str) -> None:
    _in_hand(message).update(status=status, leased_until=None, answer=said)
    _tell(message, status)


def _postpone(message: Message, said: str) -> None:
    """Wait longer after each try."""
    due_at = timezone.now() + delay_before_retry(message.attempts)
    _in_hand(message).update(status=Status.QUEUED, leased_until=None, due_at=due_at, answer=said)
    logger.warning("Mail %s (%s) postponed: %s", message.pk, message.kind, said)


def _in_hand(message: Message) -> MessageQuerySet:
    """The row, unless another worker has taken it since: each lease counts a try."""
    return Message.objects.filter(pk=message.pk, status=Status.SENDING, attempts=message.attempts)


def _tell(message: Message, status: Status) -> None:
    logger.info("Mail %s (%s): %s", message.pk, message.kind, status)
