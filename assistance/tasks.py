"""What the worker does for requests of assistance."""

import logging

from celery import shared_task

from assistance import services

logger = logging.getLogger(__name__)


@shared_task
def forget_closed_requests() -> None:
    """Erase what has been kept long enough, and say how much that was (PRV-05)."""
    erased, deleted = services.forget_closed_requests()
    logger.info("assistance requests: facts erased from %d, %d deleted", erased, deleted)
