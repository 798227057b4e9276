"""Waking a worker: the tables are the memory, the broker only wakes."""

import logging
import time
from typing import Any

from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

#: Seconds after it has not answered, so that a crowd does not wait for it one after the other (AVL-08).
BROKER_BACKOFF_SECONDS = 1.0


class _Broker:
    """Whether to call it, or to let it rest."""

    left_alone_until = 0.0


def enqueue_on_commit(task: Task[Any, Any], *keys: int, within: float | None = None) -> None:
    """Have `task` run once the transaction commits; `within` so many seconds or not at all, if given.

    A broker that does not answer is logged, never raised: the change stands, and the sweep finds the row (AVL-01).
    """
    options: dict[str, Any] = {} if within is None else {"expires": within}

    # A function with a name: Django logs the name when it fails.
    def publish() -> None:
        if time.monotonic() < _Broker.left_alone_until:
            return
        try:
            task.apply_async(keys, **options)
        except OperationalError as error:
            _Broker.left_alone_until = time.monotonic() + BROKER_BACKOFF_SECONDS
            logger.warning("Nobody was woken for %s: %s", task.name, type(error).__name__)

    transaction.on_commit(publish, robust=True)
