"""Login by password. Every failure gets the same answer; the limits of attempts are in `core.rate_limits`."""

import hashlib

from django.contrib.auth.hashers import check_password, get_hasher, identify_hasher, make_password
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.auth.failures import journal_failure
from accounts.auth.known_browser import PERIOD, is_known_browser
from accounts.enums import State
from accounts.models import Account
from accounts.passwords import normalise_password
from accounts.passwords.normalisation import spellings_of
from accounts.passwords.services import upgrade_hash
from core.email_addresses import InvalidAddress, institutional_address_from_login
from core.rate_limits import (
    CAMPUS,
    FAILED_SIGN_INS_PER_CLIENT,
    FAILED_SIGN_INS_PER_LOGIN,
    FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT,
    KNOWN,
    SLOW_SIGN_INS_PER_CLIENT,
    UNKNOWN_CLIENT_SIGN_INS_PER_LOGIN,
    RateLimitExceeded,
    client_key,
    current_client,
)
from core.security_log import log_security_event
from journal.events import Event
from journal.models import JournalEntry


class LoginRefused(Exception):
    """Unknown login, wrong password, or an account that is not active; the answer does not say which."""


class AccountIsLocked(LoginRefused):
    """The account is locked and the password was right: only then may the answer reveal the lock and its reason."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account


def log_in(*, login: str, password: str) -> Account:
    """`authenticate`, and replace an older hash. For a session that begins now: the upgrade ends the other ones."""
    account = authenticate(login=login, password=password)
    if not _is_hash_up_to_date(account) and not upgrade_hash(account=account, password=normalise_password(password)):
        # The password or its hash was replaced by a concurrent request.
        return authenticate(login=login, password=password)
    return account


def authenticate(*, login: str, password: str) -> Account:
    """The active account of that login and password.

    Raises LoginRefused, AccountIsLocked, or RateLimitExceeded after too many failures.
    """
    address, client = _address_from(login), current_client()
    counted = address or _digest(login)
    _check_rate_limits(counted, client)
    account: Account | None = Account.objects.with_lock().filter(institutional_address=address).first()
    password_is_right = _is_password_right(account, password)
    if account is None or not password_is_right or account.state not in (State.ACTIVE, State.LOCKED):
        _record_failure(account, counted, client)
        raise LoginRefused
    for successful in (client, KNOWN):
        FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.reset(counted, successful)
    if account.state == State.LOCKED:
        raise AccountIsLocked(account)
    return account


def throttle_failing_client(client: str) -> None:
    """Raise RateLimitExceeded when there were too many failures from this client, which many people may share: then
    some attempts a minute go on.
    """
    if FAILED_SIGN_INS_PER_CLIENT.is_reached(client):
        SLOW_SIGN_INS_PER_CLIENT.hit(client)


def _check_rate_limits(login: str, client: str) -> None:
    """Raise RateLimitExceeded when this client, or all clients together, have failed too often on this login.

    A browser that has signed in with it is counted apart, and as any other beyond that.
    """
    if is_known_browser(login) and FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.count(login, KNOWN):
        return
    try:
        throttle_failing_client(client)
        FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.check(login, client)
        _throttle_unknown_clients(login, client)
        # Counted before the password is checked, so that concurrent guesses count each other.
        FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.hit(login, client)
    except RateLimitExceeded:
        log_security_event("authn_login_fail_max", outcome="failure")
        raise


def _throttle_unknown_clients(login: str, client: str) -> None:
    """After too many failures from all clients, each unknown one has a few attempts of its own: attackers cannot lock
    the owner out.
    """
    if FAILED_SIGN_INS_PER_LOGIN.is_reached(login) and not _is_known_client(login, client):
        UNKNOWN_CLIENT_SIGN_INS_PER_LOGIN.hit(login, client)


def _is_known_client(address: str, client: str) -> bool:
    # Too many users share the address of a campus.
    if client.startswith(CAMPUS):
        return False
    since = timezone.now() - PERIOD
    entries = JournalEntry.objects.filter(account__institutional_address=address, event=Event.SIGNED_IN, at__gte=since)
    addresses = entries.order_by().values_list("client_address", flat=True).distinct()
    return client in {client_key(known) for known in addresses if known}


def _address_from(login: str) -> str:
    """Empty, which no account has, for an invalid login."""
    try:
        return institutional_address_from_login(login)
    except InvalidAddress:
        return ""


def _digest(login: str) -> str:
    """Counts each invalid login apart, without keeping what was typed."""
    return hashlib.sha256(login.encode(errors="replace")).hexdigest()


def _is_password_right(account: Account | None, typed: str) -> bool:
    """Hash as often in every case, so that the response time reveals nothing."""
    try:
        spellings = spellings_of(typed)
    except ValidationError:
        spellings = {""}
    if account is None or not account.has_usable_password():
        for spelling in spellings:
            make_password(spelling)
        return False
    matches = [check_password(spelling, account.password) for spelling in spellings]
    return any(matches)


def _is_hash_up_to_date(account: Account) -> bool:
    preferred, stored = get_hasher(), identify_hasher(account.password)
    return stored.algorithm == preferred.algorithm and not preferred.must_update(account.password)


def _record_failure(account: Account | None, login: str, client: str) -> None:
    journal_failure(account=account, login=login, client=client)
    FAILED_SIGN_INS_PER_CLIENT.count(client)
    FAILED_SIGN_INS_PER_LOGIN.count(login)
