"""Signing in: one answer for every failure (ENU-02), slowed without locking anybody out (ENU-07)."""

import hashlib
from datetime import timedelta

from django.contrib.auth.hashers import check_password, get_hasher, identify_hasher, make_password
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.enums import State
from accounts.models import Account
from accounts.passwords import normalise_password
from accounts.passwords.services import upgrade_hash
from core.email_addresses import InvalidAddress, institutional_address_from_login
from core.rate_limits import (
    CAMPUS,
    FAILED_SIGN_INS_PER_CLIENT,
    FAILED_SIGN_INS_PER_LOGIN,
    FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT,
    UNKNOWN_CLIENT_SIGN_INS_PER_LOGIN,
    RateLimitExceeded,
    client_key,
    current_client,
)
from core.security_log import log_security_event
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event

#: How long a client from which the person signed in is theirs, when others try to guess the password.
CLIENT_IS_FAMILIAR_FOR = timedelta(days=30)


class LoginRefused(Exception):
    """Unknown login, wrong password, not activated, left: nobody is told which."""


class AccountIsLocked(LoginRefused):
    """The right password of a locked account: only then is the lock told (design §3)."""


def log_in(*, login: str, password: str) -> Account:
    """As `identify`, for somebody whose session begins now: an older hash is replaced (PWD-05)."""
    account = authenticate(login=login, password=password)
    if not _is_hashed_as_of_now(account) and not upgrade_hash(account=account, password=normalise_password(password)):
        # Replaced meanwhile: by another click on the same button, or by another password.
        return authenticate(login=login, password=password)
    return account


def authenticate(*, login: str, password: str) -> Account:
    """The active account of that login and password.

    Raises SignInRefused, AccountIsLocked, or LimitReached after too many failures from the same client.
    """
    address, client = _address_meant(login), current_client()
    counted = address or _digest(login)
    _slow_down(counted, client)
    account: Account | None = Account.objects.with_lock().filter(institutional_address=address).first()
    password_is_right = _password_is_right(account, password)
    if account is None or not password_is_right or account.state not in (State.ACTIVE, State.LOCKED):
        _record_failure(account, counted, client)
        raise LoginRefused
    FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.reset(counted, client)
    if account.state == State.LOCKED:
        raise AccountIsLocked
    return account


def _slow_down(login: str, client: str) -> None:
    """Raise LimitReached when this client, or everybody together, has failed too often on this login.

    A guessing crowd cannot keep the owner out: a client of theirs does not wait for the crowd (ENU-07).
    """
    try:
        FAILED_SIGN_INS_PER_CLIENT.check(client)
        FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.check(login, client)
        _slow_the_crowd_down(login, client)
        # Counted before it is known to fail, so that guesses made at one instant see each other.
        FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.hit(login, client)
    except RateLimitExceeded:
        log_security_event("authn_login_fail_max", outcome="failure")
        raise


def _slow_the_crowd_down(login: str, client: str) -> None:
    try:
        FAILED_SIGN_INS_PER_LOGIN.check(login)
    except RateLimitExceeded:
        if not _is_familiar(login, client):
            UNKNOWN_CLIENT_SIGN_INS_PER_LOGIN.hit(login)


def _is_familiar(address: str, client: str) -> bool:
    """Whether the person signed in from this client lately; a campus is too many people to be anybody's."""
    if client.startswith(CAMPUS):
        return False
    since = timezone.now() - CLIENT_IS_FAMILIAR_FOR
    entries = JournalEntry.objects.filter(account__institutional_address=address, event=Event.SIGNED_IN, at__gte=since)
    addresses = entries.order_by().values_list("client_address", flat=True).distinct()
    return client in {client_key(known) for known in addresses if known}


def _address_meant(login: str) -> str:
    """The address that is looked for, however it is spelt; empty, which nobody has, when it is none."""
    try:
        return institutional_address_from_login(login)
    except InvalidAddress:
        return ""


def _digest(login: str) -> str:
    """What stands for a login that is no address where failures are counted: one slip is not everybody's."""
    return hashlib.sha256(login.encode(errors="replace")).hexdigest()


def _password_is_right(account: Account | None, typed: str) -> bool:
    """One hash in every case, so that time tells nothing (ENU-03)."""
    try:
        password = normalise_password(typed)
    except ValidationError:
        password = ""
    if account is None or not account.has_usable_password():
        make_password(password)
        return False
    return check_password(password, account.password)


def _is_hashed_as_of_now(account: Account) -> bool:
    preferred, stored = get_hasher(), identify_hasher(account.password)
    return stored.algorithm == preferred.algorithm and not preferred.must_update(account.password)


def _record_failure(account: Account | None, login: str, client: str) -> None:
    record_event(account=account, event=Event.SIGN_IN_FAILED)
    FAILED_SIGN_INS_PER_CLIENT.count(client)
    FAILED_SIGN_INS_PER_LOGIN.count(login)
