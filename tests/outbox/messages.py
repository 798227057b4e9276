"""Mails in the outbox, for the tests of this folder."""

from accounts.models import Account
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email
from tests.factories import pending_account


def invitation(person: Account | None = None, **facts) -> Message:
    person = person or pending_account()
    request = {"address": person.recovery_address, "language": person.language, **facts}
    return queue_email(kind=Kind.ACTIVATION, person=person, **request)


def seen_again(message: Message) -> Message:
    return Message.objects.get(pk=message.pk)
