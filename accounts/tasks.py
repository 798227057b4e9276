"""What the worker does for accounts."""

from celery import shared_task

from accounts.session_store import SessionStore


@shared_task
def forget_ended_sessions() -> None:
    """Delete the sessions that have ended: nobody can use them, and they name people (PRV-05)."""
    SessionStore.clear_expired()
