from django.conf import settings
from django.urls import reverse

from assistance.models import AssistanceRequest
from outbox.enums import Kind
from outbox.models import Message
from outbox.registry import Email, register_email


@register_email(Kind.ASSISTANCE_RECEIVED)
def assistance_received(message: Message) -> Email | None:
    """The acknowledgement. It holds nothing that a visitor typed; none is sent for a closed request."""
    assert message.subject_id is not None
    request = AssistanceRequest.objects.open().filter(pk=message.subject_id).first()
    if request is None:
        return None
    context = {
        "reference": request.reference,
        "asked_at": request.asked_at,
        "call_expected_by": request.call_expected_by,
        "help_url": f"{settings.PORTAL_URL}{reverse('help')}",
    }
    return Email("assistance/emails/assistance_received", context)
