"""What the mail provider says of a mail afterwards, through anymail's webhook (EML-06)."""

from anymail.signals import AnymailTrackingEvent, EventType, tracking
from django.dispatch import receiver

from outbox.enums import Status
from outbox.sending import record_fate

FATES = {
    EventType.DELIVERED: Status.DELIVERED,
    EventType.BOUNCED: Status.BOUNCED,
    EventType.REJECTED: Status.BOUNCED,
    EventType.FAILED: Status.BOUNCED,
    EventType.COMPLAINED: Status.COMPLAINED,
}


@receiver(tracking)
def note_fate(sender: object, event: AnymailTrackingEvent, **kwargs: object) -> None:
    """Set the fate of the mail that the provider names; other events are none of our business."""
    fate = FATES.get(event.event_type)
    if fate is not None and event.message_id:
        record_fate(provider_id=event.message_id, fate=fate, answer=event.mta_response or event.description or "")
