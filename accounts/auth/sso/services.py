"""From the provider's word to an account that may sign in."""

from collections.abc import Mapping

from django.conf import settings
from django.db.models import Q

from accounts.auth.login import AccountIsLocked, LoginRefused
from accounts.auth.sso.providers import IdentityNotConfirmed, provider
from accounts.enums import State
from accounts.models import Account
from core.email_addresses import InvalidAddress, institutional_address_from_login
from core.rate_limits import FAILED_SIGN_INS_PER_CLIENT, current_client
from journal.events import Event
from journal.services import record_event


def account_from_provider(*, answer: Mapping[str, str], secrets: Mapping[str, str]) -> Account:
    """The active account of whoever came back from the provider with the query `answer`.

    Raises NotVouchedFor, ProviderUnavailable, SignInRefused when they have no active account, AccountIsLocked, or
    LimitReached after too many answers that the provider did not confirm.
    """
    client = current_client()
    FAILED_SIGN_INS_PER_CLIENT.check(client)
    try:
        name = provider().name_of_visitor(answer=answer, secrets=secrets)
    except IdentityNotConfirmed:
        _record_failure(None)
        FAILED_SIGN_INS_PER_CLIENT.count(client)
        raise
    return _checked(account_named(name))


def account_named(name: str) -> Account | None:
    """The account that the provider means: by its institutional address if there is an @, else by its short name.

    Case makes no difference; a look-alike from another alphabet does (INP-03).
    """
    if not name.isascii() or not name.isprintable():
        return None
    try:
        named = Q(institutional_address=institutional_address_from_login(name)) if "@" in name else Q(uid=name.lower())
    except InvalidAddress:
        return None
    account: Account | None = Account.objects.with_lock().filter(named).first()
    return account


def _checked(account: Account | None) -> Account:
    if account is not None and account.state == State.ACTIVE:
        return account
    _record_failure(account)
    if account is not None and account.state == State.LOCKED:
        raise AccountIsLocked
    raise LoginRefused


def _record_failure(account: Account | None) -> None:
    record_event(account=account, event=Event.SIGN_IN_FAILED, by=settings.SIGN_IN)
