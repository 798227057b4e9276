"""The purge: every kind of data goes when it has been kept long enough, and the journal says how much (PRV-05)."""

import logging
from datetime import datetime

from django.utils import timezone

from core.retention import apply_rule, retention_rules
from journal.events import Event
from journal.services import record_event

logger = logging.getLogger(__name__)


class PurgeIncomplete(Exception):
    """Some kinds of data could not be purged, for reasons that the log has; the others were."""


def purge(*, now: datetime | None = None) -> dict[str, int]:
    """Let go of whatever has been kept long enough; how many rows of each kind.

    Safe to run twice, at once, or again after it was killed. One kind that cannot be purged holds up no other. Raises
    PurgeIncomplete at the end, naming those.
    """
    now = now or timezone.now()
    gone: dict[str, int] = {}
    failed: list[str] = []
    for kind in retention_rules():
        try:
            gone[kind.name] = apply_rule(kind, now=now)
        except Exception:
            logger.exception("Purge: %s could not be purged", kind.name)
            failed.append(kind.name)
    record_event(account=None, event=Event.DATA_PURGED, gone=gone, failed=failed)
    if failed:
        raise PurgeIncomplete(", ".join(failed))
    return gone


def preview_purge(*, now: datetime | None = None) -> dict[str, int]:
    """How many rows of each kind have been kept long enough; changes nothing."""
    now = now or timezone.now()
    return {kind.name: kind.overdue(now).count() for kind in retention_rules()}
