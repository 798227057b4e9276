"""Deliveries, bounces and complaints that the mail provider reports through anymail's webhook."""

from anymail.signals import AnymailTrackingEvent, EventType, tracking
from django.dispatch import receiver

from outbox.enums import Status
from outbox.models import Message

STATUS_BY_EVENT = {
    EventType.DELIVERED: Status.DELIVERED,
    EventType.BOUNCED: Status.BOUNCED,
    EventType.REJECTED: Status.BOUNCED,
    EventType.FAILED: Status.BOUNCED,
    EventType.COMPLAINED: Status.COMPLAINED,
}
#: Not changed by later events.
FINAL = (Status.BOUNCED, Status.COMPLAINED)
LONGEST_ANSWER = 500


class MessageNotFound(Exception):
    """No mail has that provider id, but one being sent may get it; the provider retries."""


@receiver(tracking)
def handle_tracking_event(sender: object, event: AnymailTrackingEvent, **kwargs: object) -> None:
    """Record the new status; other events are ignored. Raises MessageNotFound, answered with 503, so they retry."""
    status = STATUS_BY_EVENT.get(event.event_type)
    if status is not None and event.message_id:
        record_tracking_event(
            provider_id=event.message_id, status=status, answer=event.mta_response or event.description or ""
        )


def record_tracking_event(*, provider_id: str, status: Status, answer: str) -> None:
    """Record the status that the provider reports. Idempotent; a bounce is not overwritten by a delivery.

    Raises MessageNotFound when no mail has that id and one being sent may still get it.
    """
    if _update_status(provider_id, status, answer):
        return
    some_are_sending = Message.objects.filter(status=Status.SENDING).exists()
    # Again: the id may have been saved between the two queries.
    if not _update_status(provider_id, status, answer) and some_are_sending:
        raise MessageNotFound


def _update_status(provider_id: str, status: Status, answer: str) -> bool:
    named = Message.objects.filter(provider_id=provider_id)
    changed = named.exclude(status__in=FINAL).update(status=status, answer=answer[:LONGEST_ANSWER])
    return bool(changed) or named.exists()
