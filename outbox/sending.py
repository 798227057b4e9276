"""Sending what the outbox holds, and recording what became of it. The table is the memory, the broker only wakes."""

import logging
import random
from datetime import datetime, timedelta

from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils import timezone

from outbox import mails
from outbox.delivery import Accepted, Answer, Courier, Postponed, Refused
from outbox.enums import Status
from outbox.models import Message

logger = logging.getLogger(__name__)

BATCH = 50
LEASE = timedelta(minutes=5)
# A batch stops here, so that no mail is begun under a lease that could run out before the server has answered.
BATCH_TIME = LEASE / 2
GIVE_UP_AFTER = timedelta(days=4)
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=1)
# After so many doublings the longest delay is reached; days of tries must not make an astronomical number.
DOUBLINGS = 7


def send(*, message_id: int) -> None:
    """Send one mail now if it is due and nobody else has it in hand; a missing or finished row is normal."""
    with Courier() as courier:
        for message in _take(now=timezone.now(), size=1, only=message_id):
            _send_one(message, courier)


def send_due(*, now: datetime | None = None) -> bool:
    """Send one batch of what is due, the most urgent first; True when there may be more.

    A batch keeps one connection and ends early when the server is down or time is running out; what was taken and
    not sent is put back.
    """
    began = now or timezone.now()
    batch = _take(now=began, size=BATCH)
    with Courier() as courier:
        for position, message in enumerate(batch):
            answer = _send_one(message, courier)
            server_is_down = isinstance(answer, Postponed) and answer.server_is_down
            if server_is_down or timezone.now() - began > BATCH_TIME:
                _put_back(batch[position + 1 :], answer)
                return not server_is_down
    return len(batch) == BATCH


def record_fate(*, provider_id: str, fate: Status, answer: str) -> None:
    """Record what the provider says of a mail; saying it twice changes nothing, and a bounce outlives a delivery."""
    final = (Status.BOUNCED, Status.COMPLAINED)
    Message.objects.filter(provider_id=provider_id).exclude(status__in=final).update(status=fate, answer=answer[:500])


@transaction.atomic
def _take(*, now: datetime, size: int, only: int | None = None) -> list[Message]:
    """Lease due rows to this worker; two workers never get the same one (AVL-05)."""
    due = Message.objects.due(now)
    if only is not None:
        due = due.filter(pk=only)
    taken = list(due.select_for_update(skip_locked=True, of=("self",))[:size])
    for message in taken:
        message.lease(now, LEASE)
    Message.objects.bulk_update(taken, ["status", "leased_until", "attempts"])
    return taken


def _send_one(message: Message, courier: Courier) -> Answer | None:
    """Make one mail, hand it over, record the answer; None when there was nothing to say any more."""
    message.built_at = timezone.now()
    answer: Answer | None
    try:
        email = _made(message)
        answer = courier.hand_over(email) if email else None
    except Exception as error:
        # One mail that cannot be made or sent must not hold up the others; it is tried again like any other (AVL-03).
        logger.exception("Mail %s could not be made", message.pk)
        answer = Postponed(type(error).__name__, server_is_down=False)
    if answer is None:
        _finish(message, Status.CANCELLED)
    else:
        _record_answer(message, answer)
    return answer


def _made(message: Message) -> EmailMultiAlternatives | None:
    """The mail from today's facts, its deadline fixed on the row before anything leaves; None when it is pointless."""
    content = mails.build(message)
    if content is None:
        return None
    email = mails.rendered(message, content)
    message.deadline = content.deadline
    message.save(update_fields=["built_at", "deadline"])
    return email


def _record_answer(message: Message, answer: Answer) -> None:
    match answer:
        case Accepted(provider_id):
            message.provider_id, message.sent_at = provider_id, timezone.now()
            _finish(message, Status.SENT)
        case Refused(said):
            message.answer = said
            _finish(message, Status.REFUSED)
        case Postponed(said):
            message.answer = said
            _postpone(message)


def _finish(message: Message, status: Status) -> None:
    message.status, message.leased_until = status, None
    message.save(update_fields=["status", "leased_until", "provider_id", "sent_at", "answer"])
    logger.info("Mail %s (%s): %s", message.pk, message.kind, status)


def _postpone(message: Message) -> None:
    """Wait longer after each try, and give up after some days; the agents see what was given up."""
    now = timezone.now()
    if now - message.created_at > GIVE_UP_AFTER:
        _finish(message, Status.GIVEN_UP)
        return
    message.status, message.leased_until = Status.QUEUED, None
    message.due_at = now + delay_before_retry(message.attempts)
    message.save(update_fields=["status", "leased_until", "due_at", "answer"])
    logger.warning("Mail %s (%s) postponed: %s", message.pk, message.kind, message.answer)


def _put_back(messages: list[Message], answer: Answer | None) -> None:
    """Give back rows that were taken and not tried; while the server is down they wait a little."""
    wait = FIRST_DELAY if isinstance(answer, Postponed) and answer.server_is_down else timedelta(0)
    for message in messages:
        message.status, message.leased_until = Status.QUEUED, None
        message.attempts -= 1
        message.due_at = timezone.now() + wait
    Message.objects.bulk_update(messages, ["status", "leased_until", "attempts", "due_at"])


def delay_before_retry(attempts: int) -> timedelta:
    """30 s after the first try, then twice as long each time up to one hour, give or take a fifth (AVL-03)."""
    delay: timedelta = min(FIRST_DELAY * 2 ** min(attempts - 1, DOUBLINGS), LONGEST_DELAY)
    return delay * random.uniform(0.8, 1.2)  # noqa: S311 - a jitter is no secret
