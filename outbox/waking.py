"""Waking a worker: the tables are the memory, the broker only wakes."""

from functools import partial
from typing import Any

from celery import Task
from django.db import transaction


def wake(task: Task[Any, Any], *keys: int) -> None:
    """Have `task` run once the transaction commits.

    A broker that does not answer is logged, never raised: the change stands, and the sweep finds the row (AVL-01).
    """
    transaction.on_commit(partial(task.delay, *keys), robust=True)
