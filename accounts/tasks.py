"""What the worker does for accounts."""

from celery import shared_task
from django.core.management import call_command


@shared_task
def forget_ended_sessions() -> None:
    """Delete the sessions that have ended: nobody can use them, and they name people (PRV-05)."""
    call_command("clearsessions")
