from dataclasses import replace
from enum import StrEnum
from typing import cast

from accounts.emails import notice
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.domains import may_receive
from mailrouting.links import redirection_link
from mailrouting.models import Redirection
from outbox.enums import Kind
from outbox.models import Message
from outbox.registry import Email, register_email


class RedirectionChange(StrEnum):
    """The change that a notification announces."""

    ASKED = "asked"
    IN_FORCE = "in-force"
    COPY = "copy"
    STOPPED = "stopped"
    GIVEN_UP = "given-up"


@register_email(Kind.REDIRECTION_VERIFICATION)
def redirection_verification(message: Message) -> Email | None:
    """None once the address is verified, changed or no longer allowed, or the account locked."""
    account = message.person
    redirection = Redirection.objects.waiting().filter(account=account, target=message.address).first()
    if redirection is None or account is None or account.is_locked or account.is_closed or message.built_at is None:
        return None
    if not may_receive(redirection.target):
        return None
    deadline = redirection_link.deadline(message.built_at)
    link = redirection_link.url(account, deadline, redirection.pk)
    context = {"account": account, "keep_copy": redirection.keep_copy, "link": link}
    return Email("mailrouting/emails/redirection_verification", context, deadline)


@register_email(Kind.REDIRECTION_CHANGED)
def redirection_changed(message: Message) -> Email | None:
    email = notice(message, "mailrouting/emails/redirection_changed")
    if email is None:
        return None
    change = change_of_entry(cast(JournalEntry, email.context["entry"]))
    return replace(email, context={**email.context, "change": change})


def change_of_entry(entry: JournalEntry) -> RedirectionChange:
    details = entry.details
    if entry.event == Event.REDIRECTION_STOPPED:
        return RedirectionChange.STOPPED if details["previous_proven"] else RedirectionChange.GIVEN_UP
    if entry.event == Event.REDIRECTION_VERIFIED:
        return RedirectionChange.IN_FORCE
    is_same_address = details["previous"] == details["target"]
    if is_same_address and details["proven"] == details["previous_proven"]:
        return RedirectionChange.COPY
    return RedirectionChange.IN_FORCE if details["proven"] else RedirectionChange.ASKED
