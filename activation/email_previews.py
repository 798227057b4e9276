"""Preview of a mail for the agent who is about to send it, without the link."""

from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from accounts.models import Account
from activation.emails import pages
from outbox.deadlines import end_of_next_day
from outbox.enums import Kind
from outbox.models import Message
from outbox.registry import Email
from outbox.rendering import render_email

TEMPLATES = {Kind.REACTIVATION: "activation/emails/reactivation", Kind.NEW_LINK: "activation/emails/new_link"}


@dataclass(frozen=True, slots=True)
class Preview:
    subject: str
    text: str
    language: str


def preview_of_release(account: Account) -> Preview:
    """The mail sent on unlock: the reactivation link, or the activation link of a pending account."""
    kind = Kind.REACTIVATION if account.activated_at else Kind.NEW_LINK
    message = Message(kind=kind, person=account, address=account.recovery_address, language=account.language)
    link = f"{settings.PORTAL_URL}/…"
    context = {"account": account, "link": link, "other_link": link, **pages()}
    email = render_email(message, Email(TEMPLATES[kind], context, end_of_next_day(timezone.now())))
    return Preview(str(email.subject), str(email.body), account.language)
