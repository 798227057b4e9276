from collections.abc import Mapping

from django.conf import settings
from django.db.models import Q

from accounts.auth.failures import journal_failure
from accounts.auth.login import AccountIsLocked, LoginRefused, throttle_failing_client
from accounts.auth.sso.base import IdentityNotConfirmed
from accounts.auth.sso.providers import get_provider
from accounts.enums import State
from accounts.models import Account
from core.email_addresses import InvalidAddress, institutional_address_from_login
from core.rate_limits import FAILED_SIGN_INS_PER_CLIENT, current_client


def account_from_provider(*, response: Mapping[str, str], secrets: Mapping[str, str]) -> Account:
    """The active account that the provider names for the query `response`.

    Raises IdentityNotConfirmed, ProviderUnavailable, LoginRefused when no active account has that name,
    AccountIsLocked, RateLimitExceeded after too many responses that the provider did not confirm.
    """
    client = current_client()
    throttle_failing_client(client)
    try:
        name = get_provider().identify(response=response, secrets=secrets)
    except IdentityNotConfirmed:
        _record_failure(None)
        FAILED_SIGN_INS_PER_CLIENT.count(client)
        raise
    return _require_active(account_named(name))


def account_named(name: str) -> Account | None:
    """By institutional address if `name` has an @, else by uid. Case is ignored; look-alike letters are not."""
    if not name.isascii() or not name.isprintable():
        return None
    try:
        condition = (
            Q(institutional_address=institutional_address_from_login(name)) if "@" in name else Q(uid=name.lower())
        )
    except InvalidAddress:
        return None
    account: Account | None = Account.objects.with_lock().filter(condition).first()
    return account


def _require_active(account: Account | None) -> Account:
    if account is not None and account.state == State.ACTIVE:
        return account
    _record_failure(account)
    if account is not None and account.state == State.LOCKED:
        raise AccountIsLocked(account)
    raise LoginRefused


def _record_failure(account: Account | None) -> None:
    client = current_client()
    journal_failure(account=account, login=account.login if account else client, client=client, by=settings.SIGN_IN)
