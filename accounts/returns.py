"""People who come back after their account was closed. The caller has locked the rows."""

from collections.abc import Collection
from datetime import timedelta

from django.contrib.auth.hashers import make_password

from accounts.models import Account, Session
from accounts.notifications import notification_addresses
from accounts.signals import accounts_started_anew
from journal.events import Event
from journal.services import record_events
from outbox.enums import Kind, Priority
from outbox.models import Message

#: Contracts are often renewed some weeks late. After longer, an old password may be known to others.
LONGEST_ABSENCE = timedelta(days=90)


def start_anew(ids: Collection[int], *, actor: Account | None) -> None:
    """After a long absence: the account is pending again, its old password opens nothing, HR gives the address."""
    if not ids:
        return
    accounts = Account.objects.filter(pk__in=ids)
    accounts.update(
        password=make_password(None),
        activated_at=None,
        password_changed_at=None,
        recovery_address_owner_set_at=None,
        recovery_address_disputed_at=None,
    )
    Session.objects.filter(account__in=ids).delete()
    record_events(accounts=list(accounts), event=Event.USER_STARTED_ANEW, actor=actor)
    accounts_started_anew.send(sender=Account, accounts=ids, actor=actor)


def announce_reopening(ids: Collection[int]) -> None:
    """After a short absence: to each address on file. The password is the one of before."""
    accounts = Account.objects.filter(pk__in=ids).select_related("mailbox").order_by("pk") if ids else ()
    Message.objects.bulk_create(
        Message(
            kind=Kind.ACCOUNT_REOPENED,
            person=account,
            address=address,
            language=account.language,
            priority=Priority.BULK,
        )
        for account in accounts
        for address in notification_addresses(account)
    )
