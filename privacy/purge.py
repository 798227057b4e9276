"""Deletes data at the end of their retention."""

import logging
from datetime import datetime

from django.utils import timezone

from core.retention import apply_rule, retention_rules
from journal.events import Event
from journal.services import record_event

logger = logging.getLogger(__name__)


class PurgeIncomplete(Exception):
    """Names the rules that failed; the log has the errors."""


def purge(*, now: datetime | None = None) -> dict[str, int]:
    """Apply every retention rule, even when one fails. Idempotent. Returns rows by rule.

    Raises PurgeIncomplete at the end.
    """
    now = now or timezone.now()
    deleted: dict[str, int] = {}
    failed: list[str] = []
    for kind in retention_rules():
        try:
            deleted[kind.name] = apply_rule(kind, now=now)
        except Exception:
            logger.exception("Purge: %s could not be purged", kind.name)
            failed.append(kind.name)
    record_event(account=None, event=Event.DATA_PURGED, gone=deleted, failed=failed)
    if failed:
        raise PurgeIncomplete(", ".join(failed))
    return deleted


def preview_purge(*, now: datetime | None = None) -> dict[str, int]:
    now = now or timezone.now()
    return {kind.name: kind.overdue(now).count() for kind in retention_rules()}
