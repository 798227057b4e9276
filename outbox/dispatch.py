"""Sending what the outbox holds. The table is the memory, the broker only wakes."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from outbox import registry
from outbox import rendering as mails
from outbox import status as recording
from outbox.enums import Status
from outbox.models import Message
from outbox.transport import Accepted, Answer, Postponed, SMTPTransport

logger = logging.getLogger(__name__)

BATCH = 50
LEASE = timedelta(minutes=5)
# A batch stops so long after its first mail. However slow the server, a mass of mails holds up whoever is urgent no
# longer than this, and no mail is begun on facts that are old or under a lease that could run out before the server has
# answered. Not counted from its beginning: some servers let whoever connects wait for seconds.
BATCH_TIME = timedelta(seconds=1)
# So few that hardly a link is made for nothing where a batch ends early.
DRAFTED_TOGETHER = 10


@dataclass(frozen=True, slots=True)
class Draft:
    """A row, and what its mail says."""

    message: Message
    content: registry.Email


def no_other_worker() -> bool:
    """Whoever sends a batch sends the next one too."""
    return False


def send(*, message_id: int) -> None:
    """Send one mail now if it is due and nobody else has it in hand; a missing or finished row is normal."""
    with SMTPTransport() as courier:
        for draft in _drafts(_take(now=timezone.now(), size=1, only=message_id)):
            _send_one(draft, courier)


def send_due(*, now: datetime | None = None, call_another: Callable[[], bool] = no_other_worker) -> bool:
    """Send one batch of what is due, the most urgent first; True when somebody is to be called for the next one.

    A batch keeps one connection and ends early when the server is down or time is running out; what was taken and
    not sent is put back. `call_another` is called in a full batch once the server has taken a mail: there is work for
    another process, and somebody to give it to. It says whether it has called.
    """
    taken = _take(now=now or timezone.now(), size=BATCH)
    is_full, called, ends_at = len(taken) == BATCH, False, None
    with SMTPTransport() as courier:
        for draft in _drafts(taken):
            answer = _send_one(draft, courier)
            ends_at = ends_at or timezone.now() + BATCH_TIME
            called = called or (is_full and isinstance(answer, Accepted) and call_another())
            if _server_is_down(answer):
                recording.release_leases(taken, not_before=timezone.now() + recording.FIRST_DELAY)
                return False
            if timezone.now() > ends_at:
                recording.release_leases(taken)
                return not called or _few_are_due()
    return is_full and not called


def _few_are_due() -> bool:
    """Whether a batch of them would not be full: whoever was called may have found less, and called nobody."""
    return len(Message.objects.due(timezone.now()).values_list("pk")[:BATCH]) < BATCH


@transaction.atomic
def _take(*, now: datetime, size: int, only: int | None = None) -> list[Message]:
    """Lease due rows to this worker; two workers never get the same one (AVL-05)."""
    due = Message.objects.due(now)
    if only is not None:
        due = due.filter(pk=only)
    taken = list(due.select_for_update(skip_locked=True, of=("self",))[:size])
    for message in taken:
        message.lease(now, LEASE)
    Message.objects.filter(pk__in=[message.pk for message in taken]).update(
        status=Status.SENDING, leased_until=now + LEASE, attempts=F("attempts") + 1
    )
    return taken


def _drafts(messages: list[Message]) -> Iterator[Draft]:
    """What the mails say, from today's facts; deadlines are on the rows before anything leaves. Pointless ones end."""
    for first in range(0, len(messages), DRAFTED_TOGETHER):
        some, now = messages[first : first + DRAFTED_TOGETHER], timezone.now()
        registry.prefetch(some)
        drafts = [draft for message in some if (draft := _draft(message, now))]
        recording.mark_built(draft.message for draft in drafts)
        yield from drafts


def _draft(message: Message, now: datetime) -> Draft | None:
    """None when there is nothing to say any more, or when it cannot be made now."""
    message.built_at = now
    try:
        content = registry.build_email(message)
    except Exception as error:
        recording.record_answer(message, _cannot_be_made(message, error))
        return None
    if content is None:
        recording.mark_cancelled(message)
        return None
    message.deadline = content.deadline
    return Draft(message, content)


def _send_one(draft: Draft, courier: SMTPTransport) -> Answer:
    """Write one mail, hand it over, record the answer."""
    try:
        answer = courier.hand_over(mails.render_email(draft.message, draft.content))
    except Exception as error:
        answer = _cannot_be_made(draft.message, error)
    recording.record_answer(draft.message, answer)
    return answer


def _cannot_be_made(message: Message, error: Exception) -> Postponed:
    """Such a mail must not hold up the others; it is tried again like any other (AVL-03)."""
    logger.error("Mail %s could not be made", message.pk, exc_info=error)
    return Postponed(type(error).__name__, server_is_down=False)


def _server_is_down(answer: Answer) -> bool:
    return isinstance(answer, Postponed) and answer.server_is_down
