from celery import shared_task

from activation.first_connection import services as first_connection
from activation.reminders.services import send_reminders


@shared_task
def answer_link_request(request_id: int) -> None:
    first_connection.answer_link_request(request_id=request_id)


@shared_task
def answer_waiting_link_requests() -> None:
    first_connection.answer_waiting_requests()


@shared_task
def remind() -> None:
    send_reminders()
