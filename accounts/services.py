"""Acts on accounts."""

from django.db import transaction

from accounts.enums import State
from accounts.models import Account
from journal.events import Event
from journal.services import record_event


class AccountNotActive(Exception):
    """The account was locked, or closed, a moment ago."""


@transaction.atomic
def record_login(*, account: Account, **how: str) -> None:
    """Record that the person signed in; `how`, when it was not with the portal's own form."""
    record_event(account=account, actor=account, event=Event.SIGNED_IN, **how)


@transaction.atomic
def record_logout(*, account: Account) -> None:
    """Record that the person signed out."""
    record_event(account=account, actor=account, event=Event.SIGNED_OUT)


@transaction.atomic
def set_language(*, account: Account, language: str) -> None:
    """Write to the person, and show pages after signing in, in `language`."""
    changed = Account.objects.filter(pk=account.pk).exclude(language=language).update(language=language)
    if changed:
        record_event(account=account, actor=account, event=Event.LANGUAGE_CHOSEN, language=language)


def lock_active_account(account: Account) -> Account:
    """The account as it is now, its row held until the end of the transaction.

    Two queries, so that what is read after the wait is what the other one left. Raises NotActive.
    """
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    now: Account = Account.objects.with_lock().get(pk=account.pk)
    if now.state != State.ACTIVE:
        raise AccountNotActive
    return now
