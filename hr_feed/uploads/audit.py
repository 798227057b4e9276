"""What the journal is told of an import, and what it tells afterwards."""

from django.db.models import Count

from accounts.models import Account
from hr_feed.models import HrImport
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event

#: What an import writes into the journals of the people, by the name of the count.
WRITTEN = {
    "created": Event.USER_CREATED,
    "updated": Event.USER_UPDATED,
    "corrected": Event.RECOVERY_ADDRESS_CORRECTED,
}


def record_import_event(hr_import: HrImport, event: Event, agent: Account | None, **facts: object) -> None:
    """Record what happened to a file; about nobody, by whoever did it."""
    record_event(account=None, actor=agent, event=event, file=hr_import.file_name, sha256=hr_import.sha256, **facts)


def written_by(hr_import: HrImport) -> dict[str, int]:
    """What an import that was approved has written, however many runs it took."""
    entries = JournalEntry.objects.filter(
        at__gte=hr_import.approved_at, actor=hr_import.approved_by, event__in=WRITTEN.values()
    )
    # Meanwhile the agent may correct addresses by hand.
    entries = entries.exclude(source="web")
    numbers = dict(entries.order_by().values_list("event").annotate(Count("pk")))
    return {name: numbers.get(event.value, 0) for name, event in WRITTEN.items()}
