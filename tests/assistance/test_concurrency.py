"""A crowd that sends the form at the same instant, on a real PostgreSQL."""

import pytest

from assistance.models import AssistanceRequest
from assistance.services import create_request
from outbox.enums import Kind
from outbox.models import Message
from tests.activation.wizard.test_concurrency import together
from tests.assistance.asking import written

pytestmark = pytest.mark.django_db(transaction=True)

SPELLINGS = ("une@exemple.net", "Une@exemple.net", "UNE@exemple.net", "une@exemple.net", "uNe@exemple.net")


def test_a_crowd_that_names_one_mailbox_sends_it_two_mails():
    """HLP-08, ENU-05: no gap between counting and sending, whatever the spelling."""
    together(*(lambda there=there: create_request(**written(contact_address=there)) for there in SPELLINGS))

    assert AssistanceRequest.objects.count() == len(SPELLINGS)
    assert Message.objects.filter(kind=Kind.ASSISTANCE_RECEIVED).count() == 2
