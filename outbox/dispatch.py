"""Sends the mails of the outbox. The table holds the state; the broker only starts workers sooner."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from outbox import registry, status
from outbox.enums import Status
from outbox.models import Message
from outbox.rendering import render_email
from outbox.transport import Accepted, Answer, Postponed, SMTPTransport

BATCH = 50
LEASE = timedelta(minutes=5)
# A batch ends this long after its first mail: urgent mails wait no longer behind a slow server, and no mail is built on
# stale data or under a lease that is about to expire. Not counted from the connection, which some servers delay for
# seconds.
BATCH_TIME = timedelta(seconds=1)
# Mails built at once; few, since a batch may end before they are sent.
BUILD_CHUNK = 10


@dataclass(frozen=True, slots=True)
class Draft:
    message: Message
    content: registry.Email


def send(*, message_id: int) -> None:
    """Send one mail if it is due and not leased to another worker; a missing or finished row is normal."""
    with SMTPTransport() as transport:
        for draft in _drafts(_lease_due(now=timezone.now(), size=1, only=message_id)):
            _send_one(draft, transport)


def send_due(*, now: datetime | None = None, call_another: Callable[[], bool] = lambda: False) -> bool:
    """Send one batch of due mails, the most urgent first; True when the caller should start the next batch.

    A batch keeps one connection and ends early when the server is down or after BATCH_TIME; leases of unsent mails are
    released. In a full batch, once the server has accepted a mail, `call_another` starts another worker and returns
    whether it did.
    """
    leased = _lease_due(now=now or timezone.now(), size=BATCH)
    is_full, called, ends_at = len(leased) == BATCH, False, None
    with SMTPTransport() as transport:
        for draft in _drafts(leased):
            answer = _send_one(draft, transport)
            ends_at = ends_at or timezone.now() + BATCH_TIME
            called = called or (is_full and isinstance(answer, Accepted) and call_another())
            if _server_is_down(answer):
                status.release_leases(leased, not_before=timezone.now() + status.FIRST_DELAY)
                return False
            if timezone.now() > ends_at:
                status.release_leases(leased)
                return not called or _few_are_due()
    return is_full and not called


def _few_are_due() -> bool:
    """Whether less than a batch is due: the worker called before may have found no full batch, and called no other."""
    return len(Message.objects.due(timezone.now()).values_list("pk")[:BATCH]) < BATCH


@transaction.atomic
def _lease_due(*, now: datetime, size: int, only: int | None = None) -> list[Message]:
    """Lease due rows to this worker; two workers never get the same one."""
    due = Message.objects.due(now)
    if only is not None:
        due = due.filter(pk=only)
    leased = list(due.select_for_update(skip_locked=True, of=("self",))[:size])
    for message in leased:
        message.lease(now, LEASE)
    Message.objects.filter(pk__in=[message.pk for message in leased]).update(
        status=Status.SENDING, leased_until=now + LEASE, attempts=F("attempts") + 1
    )
    return leased


def _drafts(messages: list[Message]) -> Iterator[Draft]:
    """Build the mails from current data; their deadlines are saved before any is sent. Obsolete ones are cancelled."""
    for first in range(0, len(messages), BUILD_CHUNK):
        chunk, now = messages[first : first + BUILD_CHUNK], timezone.now()
        registry.prefetch(chunk)
        drafts = [draft for message in chunk if (draft := _draft(message, now))]
        status.mark_built(draft.message for draft in drafts)
        yield from drafts


def _draft(message: Message, now: datetime) -> Draft | None:
    """None when the mail is obsolete or cannot be built now."""
    message.built_at = now
    try:
        content = registry.build_email(message)
    except Exception as error:
        status.record_answer(message, _build_failure(error))
        return None
    if content is None:
        status.mark_cancelled(message)
        return None
    message.deadline = content.deadline
    return Draft(message, content)


def _send_one(draft: Draft, transport: SMTPTransport) -> Answer:
    try:
        answer = transport.hand_over(render_email(draft.message, draft.content))
    except Exception as error:
        answer = _build_failure(error)
    status.record_answer(draft.message, answer)
    return answer


def _build_failure(error: Exception) -> Postponed:
    """A mail that cannot be built is retried like any other, and does not block the rest."""
    name = type(error).__name__
    return Postponed(f"could not be built: {name}", server_is_down=False, fault=name, error=error)


def _server_is_down(answer: Answer) -> bool:
    return isinstance(answer, Postponed) and answer.server_is_down
