from datetime import timedelta

from celery import shared_task

from core.celery import enqueue_on_commit
from outbox import dispatch

# Below the lease: no row is sent by two workers, even if the server answers a byte at a time.
TIME_LIMIT = int((dispatch.LEASE - timedelta(minutes=1)).total_seconds())
# Seconds. Each sweep may start a chain of batches; superfluous ones expire. Longer than two machines' clocks differ.
CHAIN_EXPIRY = 120.0


@shared_task(time_limit=TIME_LIMIT)
def send_message(message_id: int) -> None:
    dispatch.send(message_id=message_id)


@shared_task(time_limit=TIME_LIMIT)
def send_due_messages() -> None:
    """Send one batch. Another process may start the next one meanwhile, else this one does afterwards; urgent mails go
    first.
    """
    if dispatch.send_due(call_another=call_another):
        call_another()


def call_another() -> bool:
    enqueue_on_commit(send_due_messages, expires=CHAIN_EXPIRY)
    return True
