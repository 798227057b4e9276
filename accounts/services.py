from django.db import transaction

from accounts.enums import State
from accounts.models import Account
from journal.events import Event
from journal.services import record_event


class AccountNotActive(Exception):
    pass


@transaction.atomic
def record_login(*, account: Account, **how: str) -> None:
    """`how`: the SSO provider, if any."""
    record_event(account=account, actor=account, event=Event.SIGNED_IN, **how)


@transaction.atomic
def record_logout(*, account: Account) -> None:
    record_event(account=account, actor=account, event=Event.SIGNED_OUT)


@transaction.atomic
def set_language(*, account: Account, language: str) -> None:
    """The language of mails, and of pages after login."""
    changed = Account.objects.filter(pk=account.pk).exclude(language=language).update(language=language)
    if changed:
        record_event(account=account, actor=account, event=Event.LANGUAGE_CHOSEN, language=language)


def lock_active_account(account: Account) -> Account:
    """Lock the row and re-read it. Raises AccountNotActive."""
    now: Account = Account.objects.lock(account.pk)
    if now.state != State.ACTIVE:
        raise AccountNotActive
    return now
