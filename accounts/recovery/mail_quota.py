"""How many mails one address and one account may request; counted in the outbox, not in Redis."""

from datetime import datetime

from django.db.models import Value
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import Account
from core.rate_limits import MAIL_WINDOW, MAILS_OF_A_PERSON_PER_HOUR, MAILS_PER_HOUR, SHORTEST_TIME_BETWEEN_MAILS
from core.security_log import log_security_event
from outbox.enums import Kind
from outbox.models import Message, MessageQuerySet


class MailQuotaExceeded(Exception):
    def __init__(self, retry_at: datetime) -> None:
        super().__init__(f"retry at {retry_at.isoformat()}")
        self.retry_at = retry_at


def next_mail_allowed_at(*, kind: Kind, address: str) -> datetime:
    """Whatever the spelling of `address` and the account that asks."""
    to_that_mailbox = Message.objects.alias(mailbox=Lower("address")).filter(mailbox=Lower(Value(address)), kind=kind)
    return _freed_at(to_that_mailbox, MAILS_PER_HOUR)


def verification_allowed_at(*, kind: Kind, address: str, person: Account, last: Message | None = None) -> datetime:
    """`last` is the mail that this one would repeat: at least a minute lies between them."""
    of_the_person = _freed_at(Message.objects.filter(kind=kind, person=person), MAILS_OF_A_PERSON_PER_HOUR)
    freed_at = max(of_the_person, next_mail_allowed_at(kind=kind, address=address))
    return max(freed_at, last.created_at + SHORTEST_TIME_BETWEEN_MAILS) if last else freed_at


def log_withheld_mail(*, kind: Kind, person: Account | None) -> None:
    """Into the log only: the page must not reveal it."""
    log_security_event(
        "excess_rate_limit_exceeded", outcome="failure", limit=f"mails-{kind}", account=person.pk if person else None
    )


def _freed_at(mails: MessageQuerySet, allowed: int) -> datetime:
    since = timezone.now() - MAIL_WINDOW
    times = list(mails.asked_since(since).order_by("-created_at").values_list("created_at", flat=True)[:allowed])
    return times[-1] + MAIL_WINDOW if len(times) == allowed else since
