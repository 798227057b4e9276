"""What the worker does for the outbox. Tasks carry keys only; services do the work."""

from datetime import timedelta

from celery import shared_task

from core.celery import enqueue_on_commit
from outbox import dispatch as sending

# Whoever has not ended by then is killed, for its rows will soon be another's: a mail server that answers a byte at a
# time keeps every single wait short.
LONGEST = int((sending.LEASE - timedelta(minutes=1)).total_seconds())
# Each sweep may start a chain of batches of its own; those that are too many to be served end by themselves. It is more
# than the clocks of two machines may be apart.
CALLED_WITHIN = 120.0


@shared_task(time_limit=LONGEST)
def send_message(message_id: int) -> None:
    """Send one mail that a person is waiting for."""
    sending.send(message_id=message_id)


@shared_task(time_limit=LONGEST)
def send_due_messages() -> None:
    """Send one batch of what is due. The next one is begun meanwhile by another process, or by this one afterwards;
    whatever is urgent goes before it.
    """
    if sending.send_due(call_another=call_another):
        call_another()


def call_another() -> bool:
    """Have another batch sent by whoever is free first."""
    enqueue_on_commit(send_due_messages, within=CALLED_WITHIN)
    return True
