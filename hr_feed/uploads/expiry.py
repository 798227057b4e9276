"""The content of a file is kept until it is imported or abandoned, a day at most."""

from django.db import transaction
from django.utils import timezone

from accounts.models import Account
from hr_feed.models import CONTENT_KEPT_FOR, HrImport, ImportState
from hr_feed.uploads.audit import record_import_event, written_by
from journal.events import Event


def discard(hr_import: HrImport, *, agent: Account | None) -> None:
    """The caller has locked the row; `agent` is None when the time is over."""
    done = written_by(hr_import) if hr_import.state == ImportState.TO_IMPORT else {}
    hr_import.state, hr_import.ended_at, hr_import.leased_until = ImportState.ABANDONED, timezone.now(), None
    hr_import.examples, hr_import.done = {}, done
    hr_import.save(update_fields=["state", "ended_at", "leased_until", "examples", "done"])
    hr_import.parts.all().delete()
    record_import_event(hr_import, Event.HR_IMPORT_ABANDONED, agent, **done)


@transaction.atomic
def discard_old_files() -> None:
    old = HrImport.objects.light().idle_since(timezone.now() - CONTENT_KEPT_FOR)
    for hr_import in old.select_for_update(skip_locked=True):
        discard(hr_import, agent=None)
