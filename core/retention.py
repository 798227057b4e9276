"""Retention rules: each app registers one function per kind of data in its `retention.py`.

A purge runs in batches, each in its own transaction: after a crash it is run again. Rows locked by others are left for
the next run.
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
#: The rows that are older than the limit.
Finder = Callable[[datetime], Rows]
#: Disposes of a batch, which the finder does not return again.
Disposal = Callable[[list[Any]], None]

#: One batch stays well below statement_timeout.
BATCH = 2_000


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """`setting` holds the days to keep; None: dispose at once. `lock` names the relations to lock, in lock order."""

    name: str
    setting: str | None
    find: Finder
    dispose: Disposal
    lock: tuple[str, ...]

    def overdue(self, now: datetime) -> Rows:
        days = getattr(settings, self.setting) if self.setting else 0
        return self.find(now - timedelta(days=days))


_rules: dict[str, RetentionRule] = {}


def delete_rows(rows: list[Any]) -> None:
    type(rows[0])._base_manager.filter(pk__in=[row.pk for row in rows]).delete()


def retention_rule(
    name: str, *, after: str | None, by: Disposal = delete_rows, lock: tuple[str, ...] = ("self",)
) -> Callable[[Finder], Finder]:
    """Register the function that finds the rows older than a limit; `after` names a setting, in days.

    `lock` names the relations whose rows are locked too, in lock order.
    """

    def register(find: Finder) -> Finder:
        _rules[name] = RetentionRule(name, after, find, by, lock)
        return find

    return register


def retention_rules() -> list[RetentionRule]:
    return [_rules[name] for name in sorted(_rules)]


def apply_rule(rule: RetentionRule, *, now: datetime) -> int:
    """Dispose of all overdue rows; returns how many."""
    count, last = 0, None
    while batch := _dispose_batch(rule, now, last):
        count, last = count + len(batch), batch[-1].pk
        logger.info("Purge: %s, %d so far", rule.name, count)
    return count


@transaction.atomic
def _dispose_batch(rule: RetentionRule, now: datetime, last: Any) -> list[Any]:
    """One batch after the row `last`; empty at the end."""
    rows = rule.overdue(now).order_by("pk")
    if last is not None:
        rows = rows.filter(pk__gt=last)
    batch = list(rows.select_for_update(skip_locked=True, of=rule.lock)[:BATCH])
    if batch:
        rule.dispose(batch)
    return batch
