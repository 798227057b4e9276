"""Journal entries about imports."""

from django.db.models import Count

from accounts.models import Account
from hr_feed.models import HrImport
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event

#: Events that an import records, by name of the count.
WRITTEN = {
    "created": Event.USER_CREATED,
    "updated": Event.USER_UPDATED,
    "corrected": Event.RECOVERY_ADDRESS_CORRECTED,
}


def record_import_event(hr_import: HrImport, event: Event, agent: Account | None, **facts: object) -> None:
    record_event(account=None, actor=agent, event=event, file=hr_import.file_name, sha256=hr_import.sha256, **facts)


def written_by(hr_import: HrImport) -> dict[str, int]:
    """What an approved import has written, in all its runs."""
    entries = JournalEntry.objects.filter(
        at__gte=hr_import.approved_at, actor=hr_import.approved_by, event__in=WRITTEN.values()
    )
    # Not what the agent corrects by hand meanwhile.
    entries = entries.exclude(source="web")
    numbers = dict(entries.order_by().values_list("event").annotate(Count("pk")))
    return {name: numbers.get(event.value, 0) for name, event in WRITTEN.items()}
