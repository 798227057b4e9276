"""What the worker does for the outbox. Tasks carry keys only; services do the work."""

from celery import shared_task

from outbox import sending
from outbox.waking import wake


@shared_task
def send_message(message_id: int) -> None:
    """Send one mail that a person is waiting for."""
    sending.send(message_id=message_id)


@shared_task
def send_due_messages() -> None:
    """Send one batch of what is due; another process begins the next one meanwhile, or this one behind the urgent."""
    if sending.send_due(call_another=call_another):
        call_another()


def call_another() -> bool:
    """Have the next batch sent by whoever is free, each urgent task before it."""
    wake(send_due_messages)
    return True
