import logging
import time
from typing import Any

from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

#: Seconds without a try after a failure, so that requests do not wait for the broker one after the other.
BROKER_BACKOFF_SECONDS = 1.0


class _Broker:
    unavailable_until = 0.0


def enqueue_on_commit(task: Task[Any, Any], *keys: int | str, expires: float | None = None) -> None:
    """Publish `task` when the transaction commits; `expires` is in seconds.

    An unreachable broker is logged, never raised: the change stays committed, and a sweep finds the row.
    """
    options: dict[str, Any] = {} if expires is None else {"expires": expires}

    # Not a lambda: Django logs the name when it fails.
    def publish() -> None:
        if time.monotonic() < _Broker.unavailable_until:
            return
        try:
            task.apply_async(keys, **options)
        except OperationalError as error:
            _Broker.unavailable_until = time.monotonic() + BROKER_BACKOFF_SECONDS
            logger.warning("Could not enqueue %s: %s", task.name, type(error).__name__)

    transaction.on_commit(publish, robust=True)
