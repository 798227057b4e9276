"""The portal while its parts fail, with the real processes."""

import urllib.request

from activation.models import Charter
from outbox.enums import Kind, Status
from outbox.models import Message
from outbox.services import queue
from outbox.tasks import send_due_messages
from tests.people import pending_person
from tests.stack import NEEDS_STACK, Stack

pytestmark = NEEDS_STACK


def test_the_stack_answers_and_sends(stack: Stack):
    with urllib.request.urlopen(stack.url + "/") as response:
        assert response.status == 200
    assert Charter.objects.in_force()
    person = pending_person()
    queue(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language="fr")
    stack.send(send_due_messages)
    [mail] = stack.catcher.wait_for(1)
    assert stack.url in mail.text()


def test_the_stack_answers_and_sends_again(stack: Stack):
    assert Charter.objects.in_force()
    assert stack.catcher.messages == []
