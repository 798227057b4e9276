"""Taking an account up again after its lock was released: another password, chosen by its owner (HLP-06)."""

from django.db import transaction

from accounts.enums import Event
from accounts.limits import FAILED_SIGN_INS_PER_LOGIN, FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT, this_client
from accounts.models import Account
from accounts.services import give_password
from accounts.tokens import Claims
from activation.tokens import reactivation_link


def reactivate(*, claims: Claims, password: str) -> Account:
    """Give the account that a reactivation link names another password: it is active again. Signs nobody in.

    `password` has passed the validators and is normalised. Tries that failed before count no more against the person.
    Raises LinkUsed, LinkExpired, LinkNotValid when the link opens nothing any more, a moment after it did.
    """
    account = _reactivate(claims, password)
    FAILED_SIGN_INS_PER_LOGIN.forget(account.login)
    FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.forget(account.login, this_client())
    return account


@transaction.atomic
def _reactivate(claims: Claims, password: str) -> Account:
    Account.objects.select_for_update(of=("self",)).get(pk=claims.account_id)
    account = reactivation_link.check(claims).account
    give_password(account=account, password=password, event=Event.USER_REACTIVATED)
    return account
