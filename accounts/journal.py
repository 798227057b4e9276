"""Writing the journal: one entry in the same transaction as the change it tells."""

from accounts.enums import Event
from accounts.models import Account, JournalEntry
from accounts.origin import current_origin


def record(*, account: Account | None, event: Event, actor: Account | None = None, **details: object) -> JournalEntry:
    """Record `event` on `account`. `details` must be JSON and hold no secret (PWD-08); the origin is added.

    Call it inside the transaction of the change, so that both are kept or neither is (LOG-03).
    """
    origin = current_origin()
    return JournalEntry.objects.create(
        account=account,
        actor=actor,
        event=event,
        source=origin.source,
        client_address=origin.client_address,
        device=origin.device,
        request_id=origin.request_id,
        details=details,
    )
