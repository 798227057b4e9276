"""The announcement on top of every page: `manage.py banner` changes it while the portal runs."""

from dataclasses import dataclass
from time import monotonic

from django.db import DatabaseError, InterfaceError, transaction

from agents.models import Announcement
from journal.events import Event
from journal.services import record_event

#: Each process reads the row again after so many seconds.
CHECK_EVERY = 10.0
#: So that a server that is away does not slow down pages that do not need it.
CHECK_AGAIN_AFTER_FAILURE = 60.0


@dataclass(slots=True)
class LastRead:
    announcement: Announcement | None = None
    due_at: float = 0.0


@dataclass(frozen=True, slots=True)
class AnnouncementText:
    text: str
    language: str


last_read = LastRead()


def current_announcement(language: str) -> AnnouncementText | None:
    """In that language, else in French; the last known while the database cannot be read."""
    if monotonic() >= last_read.due_at:
        _read_again()
    announcement = last_read.announcement
    if announcement is None:
        return None
    if language == "en" and announcement.text_en:
        return AnnouncementText(announcement.text_en, "en")
    return AnnouncementText(announcement.text_fr, "fr")


def _read_again() -> None:
    # Before reading: other threads do not wait for the same row.
    last_read.due_at = monotonic() + CHECK_EVERY
    try:
        last_read.announcement = Announcement.objects.first()
    except (DatabaseError, InterfaceError):
        last_read.due_at = monotonic() + CHECK_AGAIN_AFTER_FAILURE


@transaction.atomic
def set_announcement(*, text_fr: str, text_en: str = "") -> None:
    """Replace the announcement, or remove it when `text_fr` is empty."""
    Announcement.objects.all().delete()
    if text_fr:
        Announcement.objects.create(text_fr=text_fr, text_en=text_en)
    record_event(
        account=None, event=Event.ANNOUNCEMENT_CHANGED, announcement=" / ".join(filter(None, (text_fr, text_en)))
    )
