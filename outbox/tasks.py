"""What the worker does for the outbox. Tasks carry keys only; services do the work."""

from celery import shared_task

from outbox import sending


@shared_task
def send_message(message_id: int) -> None:
    """Send one mail that a person is waiting for."""
    sending.send(message_id=message_id)


@shared_task
def send_due_messages() -> None:
    """Send one batch of what is due, then make room for others before the next one."""
    if sending.send_due():
        send_due_messages.delay()
