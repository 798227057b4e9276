from collections.abc import Iterable

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from core.celery import enqueue_on_commit
from outbox.enums import Kind, Priority
from outbox.models import Message
from outbox.tasks import send_due_messages, send_message


@transaction.atomic
def queue_email(
    *,
    kind: Kind,
    person: AbstractBaseUser | None,
    address: str,
    language: str,
    subject_id: int | None = None,
    priority: Priority = Priority.URGENT,
) -> Message:
    """Queue one mail in the caller's transaction; a worker starts when it commits."""
    message = Message.objects.create(
        kind=kind,
        person_id=person.pk if person else None,
        address=address,
        language=language,
        subject_id=subject_id,
        priority=priority,
    )
    enqueue_on_commit(send_message, message.pk)
    return message


@transaction.atomic
def queue_emails(messages: Iterable[Message]) -> list[Message]:
    """Queue many mails in the caller's transaction, in one statement; one worker starts for all of them."""
    queued = Message.objects.bulk_create(messages)
    if queued:
        enqueue_on_commit(send_due_messages)
    return queued
