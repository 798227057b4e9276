"""The notice of a change of an agent's second factor (ADM-03)."""

from accounts.mails import notice
from outbox.enums import Kind
from outbox.mails import Mail, mail
from outbox.models import Message


@mail(Kind.SECOND_FACTOR_CHANGED)
def second_factor_changed(message: Message) -> Mail | None:
    """Tells every address on file, with the link that locks the account."""
    return notice(message, "assistance/mails/second_factor_changed")
