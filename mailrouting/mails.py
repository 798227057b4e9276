"""The mails of forwarding."""

from accounts.models import Account
from mailrouting.models import Redirection
from mailrouting.tokens import redirection_link
from outbox.enums import Kind
from outbox.mails import Mail, mail
from outbox.models import Message


@mail(Kind.REDIRECTION_VERIFICATION)
def redirection_verification(message: Message) -> Mail | None:
    """Asks whoever reads an address to confirm it; pointless once it is confirmed, changed, or its account locked."""
    redirection = Redirection.objects.waiting().filter(account__messages=message.pk, target=message.address).first()
    account: Account | None = Account.objects.with_lock().filter(messages=message.pk).first()
    if redirection is None or account is None or account.is_locked or account.is_closed or message.built_at is None:
        return None
    deadline = redirection_link.deadline(message.built_at)
    link = redirection_link.url(account, deadline, redirection.pk)
    context = {"account": account, "keep_copy": redirection.keep_copy, "link": link}
    return Mail("mailrouting/mails/redirection_verification", context, deadline)
