"""How long a forwarding address that nobody confirms is kept (FWD-03, PRV-05)."""

from datetime import datetime

from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts import journal
from accounts.enums import Event
from mailrouting.models import Redirection
from outbox.enums import Kind
from outbox.models import Message
from outbox.retention import Rows, purged


def given_up(redirections: list[Redirection]) -> None:
    """Nothing was forwarded, nothing will be; the person reads why in the history of the account."""
    for redirection in redirections:
        target = redirection.target
        redirection.target, redirection.keep_copy, redirection.chosen_at = "", True, timezone.now()
        redirection.save(update_fields=["target", "keep_copy", "chosen_at"])
        journal.record(account=redirection.account, event=Event.REDIRECTION_EXPIRED, target=target)


@purged("waiting-redirections", after="RETENTION_WAITING_DAYS", by=given_up, holding=("self", "account"))
def unconfirmed_redirections(limit: datetime) -> Rows:
    """Forwarding addresses that nobody has confirmed since they were last written to."""
    written_to = Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION, subject_id=OuterRef("pk"))
    waiting = Redirection.objects.waiting().select_related("account").filter(chosen_at__lt=limit)
    return waiting.exclude(Exists(written_to.asked_since(limit)))
