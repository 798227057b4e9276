"""How long the content of a file is kept: until it is imported or abandoned, a day at most (PRV-05)."""

from django.db import transaction
from django.utils import timezone

from accounts.models import Account
from hr_feed.models import CONTENT_KEPT_FOR, HrImport, ImportState
from hr_feed.uploads.audit import record_import_event, written_by
from journal.events import Event


def discard(hr_import: HrImport, *, agent: Account | None) -> None:
    """Delete the content of a file that the caller holds, and what names people; `agent` is None when time is up."""
    done = written_by(hr_import) if hr_import.state == ImportState.TO_IMPORT else {}
    hr_import.state, hr_import.ended_at, hr_import.leased_until = ImportState.ABANDONED, timezone.now(), None
    hr_import.examples, hr_import.done = {}, done
    hr_import.save(update_fields=["state", "ended_at", "leased_until", "examples", "done"])
    hr_import.parts.all().delete()
    record_import_event(hr_import, Event.HR_IMPORT_ABANDONED, agent, **done)


@transaction.atomic
def discard_old_files() -> None:
    """Let go of the files that nobody has said yes to within a day, or whose runs have died."""
    old = HrImport.objects.light().idle_since(timezone.now() - CONTENT_KEPT_FOR)
    for hr_import in old.select_for_update(skip_locked=True):
        discard(hr_import, agent=None)
