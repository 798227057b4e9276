"""What the worker does for the activation. Tasks carry keys only."""

from celery import shared_task

from activation.first_connection import services as answers
from activation.reminders import services as reminders


@shared_task
def answer_link_request(request_id: int) -> None:
    """Answer one request for a link."""
    answers.answer_link_request(request_id=request_id)


@shared_task
def answer_waiting_link_requests() -> None:
    """Answer the requests that no worker was woken for."""
    answers.answer_waiting_requests()


@shared_task
def remind() -> None:
    """Give a fresh link to those who have not activated yet, and have not had enough of it."""
    reminders.send_reminders()
