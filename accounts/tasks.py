"""What the worker does for accounts."""

from celery import shared_task

from accounts import expiry as closing
from accounts.auth.session_backend import SessionStore
from accounts.recovery import corrections as recovery_corrections


@shared_task
def forget_ended_sessions() -> None:
    """Delete the sessions that have ended: nobody can use them, and they name people (PRV-05)."""
    SessionStore.clear_expired()


@shared_task
def announce_closings() -> None:
    """Tell people who leave soon that their account closes, and note whose has closed; each once."""
    closing.send_closing_notices()
    closing.record_closings()


@shared_task
def apply_due_replacements() -> None:
    """Put in force the recovery addresses that agents approved a day ago (HLP-05)."""
    recovery_corrections.apply_due_replacements()
