"""How long each kind of data is kept (PRV-05). Each app says it in its own `retention.py`, one small function a kind.

A purge takes some rows at a time, each batch in its own transaction: one that was killed is simply run again, and rows
that somebody else has in hand are left for the next night.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction

logger = logging.getLogger(__name__)

Rows = models.QuerySet[Any]
#: The rows of one kind that have been kept long enough at that limit.
Finder = Callable[[datetime], Rows]
#: What becomes of a batch of them; afterwards the finder finds them no more.
Disposal = Callable[[list[Any]], None]

#: A batch takes a fraction of the eight seconds that one statement may last.
BATCH = 2_000


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """One kind: after how many days, by which setting, it goes; at once when there is none."""

    name: str
    setting: str | None
    find: Finder
    fate: Disposal
    holding: tuple[str, ...]

    def overdue(self, now: datetime) -> Rows:
        """The rows that have been kept long enough by `now`."""
        days = getattr(settings, self.setting) if self.setting else 0
        return self.find(now - timedelta(days=days))


_kinds: dict[str, RetentionRule] = {}


def delete_rows(rows: list[Any]) -> None:
    """The usual fate."""
    type(rows[0])._base_manager.filter(pk__in=[row.pk for row in rows]).delete()


def retention_rule(
    name: str, *, after: str | None, by: Disposal = delete_rows, holding: tuple[str, ...] = ("self",)
) -> Callable[[Finder], Finder]:
    """Register the function that finds the rows of a kind which are older than a limit; `after` is a setting, in days.

    `holding` names the relations whose rows are held too, in the order in which everybody else takes them.
    """

    def register(find: Finder) -> Finder:
        _kinds[name] = RetentionRule(name, after, find, by, holding)
        return find

    return register


def retention_rules() -> list[RetentionRule]:
    """Every kind of data, in the order in which they are purged."""
    return [_kinds[name] for name in sorted(_kinds)]


def apply_rule(kind: RetentionRule, *, now: datetime) -> int:
    """Let go of whatever of that kind has been kept long enough; how many rows it was."""
    gone, last = 0, None
    while batch := _forget_some(kind, now, last):
        gone, last = gone + len(batch), batch[-1].pk
        logger.info("Purge: %s, %d so far", kind.name, gone)
    return gone


@transaction.atomic
def _forget_some(kind: RetentionRule, now: datetime, last: Any) -> list[Any]:
    """One batch, behind the row `last`; empty at the end."""
    rows = kind.overdue(now).order_by("pk")
    if last is not None:
        rows = rows.filter(pk__gt=last)
    batch = list(rows.select_for_update(skip_locked=True, of=kind.holding)[:BATCH])
    if batch:
        kind.fate(batch)
    return batch
