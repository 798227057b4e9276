from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.links.account_links import password_reset_link
from accounts.links.signed_link import SignedLink, TokenPayload
from accounts.models import Account, Session
from accounts.notifications import notify_change
from accounts.recovery.pending import cancel_pending_change
from accounts.services import lock_active_account
from core.rate_limits import FAILED_SIGN_INS_PER_LOGIN, FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT, current_client
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind


class PasswordAlreadyChanged(Exception):
    """The password that was given has just been replaced, from another tab or by a mailed link."""


@transaction.atomic
def upgrade_hash(*, account: Account, password: str) -> bool:
    """Hash the right `password` again, as the settings have it now; False when the stored one is no longer that of
    `account`. Call it when somebody signs in, and before their session begins.

    It is no change of password: nobody is told. But sessions are bound to the hash, so the other ones end; once, after
    the operators have changed ARGON2_… (PWD-05).
    """
    seen, encoded = account.password, make_password(password)
    if not Account.objects.filter(pk=account.pk, password=seen).update(password=encoded):
        return False
    Session.objects.filter(account=account).delete()
    account.password = encoded
    return True


@transaction.atomic
def change_password(*, account: Account, password: str, keep: str | None = None) -> Account:
    """Give the account another password; every session ends but the one with the key `keep`, which needs another key
    now (`accounts.auth.sessions.renew_session`).

    `password` has passed the validators and is normalised; the present one has just been given (SES-08). Both addresses
    are told (PWD-06). Raises NotActive, PasswordChangedMeanwhile.
    """
    known_since = account.password_changed_at
    account = lock_active_account(account)
    if account.password_changed_at != known_since:
        raise PasswordAlreadyChanged
    Session.objects.filter(account=account).exclude(session_key=keep).delete()
    set_password(account=account, password=password, event=Event.PASSWORD_CHANGED)
    return account


def reset_password(*, claims: TokenPayload, password: str) -> Account:
    """Give another password to the account that a link of forgotten passwords names: `choose_password_by_link`."""
    return set_password_by_link(link=password_reset_link, claims=claims, password=password, event=Event.PASSWORD_RESET)


def set_password_by_link(*, link: SignedLink, claims: TokenPayload, password: str, event: Event) -> Account:
    """Give another password to the account that `claims` of `link` name, recorded as `event`. Every session ends, and
    nobody is signed in (PWD-06).

    `password` has passed the validators and is normalised. Tries that failed before count no more against the person.
    Raises LinkUsed, LinkExpired, LinkNotValid when the link opens nothing any more, a moment after it did.
    """
    account = _give_password_by_link(link, claims, password, event)
    FAILED_SIGN_INS_PER_LOGIN.reset(account.login)
    FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.reset(account.login, current_client())
    return account


def set_password(*, account: Account, password: str, event: Event) -> None:
    """Make `password` the account's, recorded as `event`, and tell every address on file (PWD-06). The row is held.

    `password` has passed the validators and is normalised. Ending sessions is the caller's.
    """
    account.set_password(password)
    account.password_changed_at = timezone.now()
    account.save(update_fields=["password", "password_changed_at"])
    cancel_pending_change(account)
    entry = record_event(account=account, actor=account, event=event)
    notify_change(kind=Kind.PASSWORD_CHANGED, entry=entry)


@transaction.atomic
def _give_password_by_link(link: SignedLink, claims: TokenPayload, password: str, event: Event) -> Account:
    Account.objects.select_for_update(of=("self",)).get(pk=claims.account_id)
    account = link.check(claims).account
    Session.objects.filter(account=account).delete()
    set_password(account=account, password=password, event=event)
    return account
