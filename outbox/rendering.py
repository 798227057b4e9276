from email.charset import QP, Charset

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation

from outbox.models import Message
from outbox.registry import Email

# A relay may take seven bits only (RFC 6152); Django would send eight without asking it.
SEVEN_BITS = Charset("utf-8")
SEVEN_BITS.body_encoding = QP


def render_email(message: Message, content: Email) -> EmailMultiAlternatives:
    """The mail of a row, in its language."""
    with translation.override(message.language):
        context = {**shared_context(), **content.context, "deadline": content.deadline, "language": message.language}
        subject = render_to_string(f"{content.template}_subject.txt", context).strip()
        text = render_to_string(f"{content.template}_body.txt", context).strip() + "\n"
        html = render_to_string(f"{content.template}_body.html", {**context, "subject": subject})
    email = EmailMultiAlternatives(
        subject=subject,
        body=text,
        to=[message.address],
        reply_to=[settings.SUPPORT_ADDRESS],
        headers={
            "Message-ID": message.message_id,
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "Content-Language": message.language,
        },
    )
    email.encoding = SEVEN_BITS
    email.attach_alternative(html, "text/html")
    return email


def shared_context() -> dict[str, object]:
    """Context of every mail and of the error pages."""
    return {
        "university_name": settings.UNIVERSITY_NAME,
        "portal_url": settings.PORTAL_URL,
        "support_address": settings.SUPPORT_ADDRESS,
        "support_phone": settings.SUPPORT_PHONE,
        "ent_url": settings.ENT_URL,
        "webmail_url": settings.WEBMAIL_URL,
        "moodle_url": settings.MOODLE_URL,
        "documentation_url": settings.DOCUMENTATION_URL,
        "hr_contact": settings.HR_CONTACT,
        "registry_contact": settings.REGISTRY_CONTACT,
        "university_colour": settings.UNIVERSITY_COLOUR,
        "logo_url": settings.UNIVERSITY_LOGO.url if settings.UNIVERSITY_LOGO else "",
    }
