"""Acts on accounts."""

from django.db import transaction

from accounts import journal
from accounts.enums import Event, LockReason
from accounts.models import Account, Lock


@transaction.atomic
def note_sign_in(*, account: Account) -> None:
    """Record that the person signed in."""
    journal.record(account=account, actor=account, event=Event.SIGNED_IN)


@transaction.atomic
def note_sign_out(*, account: Account) -> None:
    """Record that the person signed out."""
    journal.record(account=account, actor=account, event=Event.SIGNED_OUT)


@transaction.atomic
def lock_account(*, account: Account, reason: LockReason, actor: Account | None = None) -> Lock:
    """Lock an account: its sessions end, its links die and its forwarding is suspended, since each of them looks at the
    open lock (HLP-01). Locking twice is locking once.
    """
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    lock, created = Lock.objects.get_or_create(
        account=account, released_at=None, defaults={"reason": reason, "locked_by": actor}
    )
    if created:
        journal.record(account=account, actor=actor, event=Event.LOCKED, reason=reason)
    return lock
