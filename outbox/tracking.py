"""What the mail provider says of a mail afterwards, through anymail's webhook (EML-06)."""

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
#: What no later event changes.
FINAL = (Status.BOUNCED, Status.COMPLAINED)
LONGEST_ANSWER = 500


class MessageNotFound(Exception):
    """Perhaps a mail whose name at the provider is being written down: the provider is to say it again later."""


@receiver(tracking)
def handle_tracking_event(sender: object, event: AnymailTrackingEvent, **kwargs: object) -> None:
    """Set the fate of the mail that the provider names; other events are none of our business.

    Raises NotYetKnown, which the provider sees as an error: they all try again.
    """
    fate = STATUS_BY_EVENT.get(event.event_type)
    if fate is not None and event.message_id:
        record_tracking_event(
            provider_id=event.message_id, fate=fate, answer=event.mta_response or event.description or ""
        )


def record_tracking_event(*, provider_id: str, fate: Status, answer: str) -> None:
    """Record what the provider says of a mail; saying it twice changes nothing, and a bounce outlives a delivery.

    Raises NotYetKnown when no mail has that name, and one that is just leaving may be about to get it.
    """
    if _recorded(provider_id, fate, answer):
        return
    some_are_leaving = Message.objects.filter(status=Status.SENDING).exists()
    # Again: it may have been given its name before we looked whether there are any without.
    if not _recorded(provider_id, fate, answer) and some_are_leaving:
        raise MessageNotFound


def _recorded(provider_id: str, fate: Status, answer: str) -> bool:
    """Whether there is such a mail."""
    named = Message.objects.filter(provider_id=provider_id)
    changed = named.exclude(status__in=FINAL).update(status=fate, answer=answer[:LONGEST_ANSWER])
    return bool(changed) or named.exists()
