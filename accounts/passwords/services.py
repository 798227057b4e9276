from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.links.account_links import password_reset_link
from accounts.links.signed_link import SignedLink, TokenPayload
from accounts.models import Account, Session
from accounts.notifications import notify_change
from accounts.recovery.pending import cancel_pending_change
from accounts.services import lock_active_account
from core.rate_limits import FAILED_SIGN_INS_PER_LOGIN, FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT, KNOWN, current_client
from journal.events import Event
from journal.services import record_event
from outbox.enums import Kind


class PasswordAlreadyChanged(Exception):
    """A concurrent request has replaced the password that was checked."""


@transaction.atomic
def upgrade_hash(*, account: Account, password: str) -> bool:
    """Hash the correct `password` again with the current settings; False when the stored hash has changed meanwhile.

    Call it before a session starts: sessions are bound to the hash, so the existing ones end. No notification, since
    the password stays the same.
    """
    encoded = make_password(password)
    if not Account.objects.filter(pk=account.pk, password=account.password).update(password=encoded):
        return False
    Session.objects.filter(account=account).delete()
    account.password = encoded
    return True


@transaction.atomic
def change_password(*, account: Account, password: str, keep: str | None = None) -> Account:
    """Set a password in a session. All sessions end but the one with the key `keep`, whose key has to change now
    (`accounts.auth.sessions.renew_session`).

    `password` is validated and normalised; the present one has been checked for `account` as it was loaded.
    Raises AccountNotActive, PasswordAlreadyChanged.
    """
    checked_at_version = account.password_changed_at
    account = lock_active_account(account)
    if account.password_changed_at != checked_at_version:
        raise PasswordAlreadyChanged
    Session.objects.filter(account=account).exclude(session_key=keep).delete()
    set_password(account=account, password=password, event=Event.PASSWORD_CHANGED)
    return account


def reset_password(*, payload: TokenPayload, password: str) -> Account:
    return set_password_by_link(
        link=password_reset_link, payload=payload, password=password, event=Event.PASSWORD_RESET
    )


def set_password_by_link(*, link: SignedLink, payload: TokenPayload, password: str, event: Event) -> Account:
    """Set a password behind a link. All sessions end, none starts, and the failed logins are forgotten.

    `password` is validated and normalised. The link is checked again under the lock: raises LinkUsed, LinkExpired,
    InvalidLink.
    """
    account = _set_password_by_link(link, payload, password, event)
    # After the commit: a password that could not be saved resets no limit.
    FAILED_SIGN_INS_PER_LOGIN.reset(account.login)
    for client in (current_client(), KNOWN):
        FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.reset(account.login, client)
    return account


def set_password(*, account: Account, password: str, event: Event) -> None:
    """Save the password, cancel a pending recovery-address change, record `event` and notify every address on file.

    `password` is validated and normalised. The caller has locked the account's row and ends its sessions.
    """
    account.set_password(password)
    account.password_changed_at = timezone.now()
    account.save(update_fields=["password", "password_changed_at"])
    cancel_pending_change(account)
    entry = record_event(account=account, actor=account, event=event)
    notify_change(kind=Kind.PASSWORD_CHANGED, entry=entry)


@transaction.atomic
def _set_password_by_link(link: SignedLink, payload: TokenPayload, password: str, event: Event) -> Account:
    Account.objects.select_for_update(of=("self",)).get(pk=payload.account_id)
    account = link.check(payload).account
    Session.objects.filter(account=account).delete()
    set_password(account=account, password=password, event=event)
    return account
