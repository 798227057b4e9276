from celery import shared_task

from accounts import expiry
from accounts.auth.session_backend import SessionStore
from accounts.recovery import corrections


@shared_task
def forget_ended_sessions() -> None:
    SessionStore.clear_expired()


@shared_task
def announce_closings() -> None:
    expiry.send_closing_notices()
    expiry.record_closings()


@shared_task
def apply_due_replacements() -> None:
    corrections.apply_due_replacements()
