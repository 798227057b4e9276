"""Acts on accounts."""

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts import journal
from accounts.enums import Event, State
from accounts.limits import FAILED_SIGN_INS_PER_LOGIN, FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT, this_client
from accounts.links import password_reset_link
from accounts.models import Account, RecoveryAddressChange, RecoveryAddressCorrection, Session
from accounts.notices import tell_of_change
from accounts.tokens import Claims, MailedLink
from outbox.enums import Kind


class NotActive(Exception):
    """The account was locked, or closed, a moment ago."""


class PasswordChangedMeanwhile(Exception):
    """The password that was given has just been replaced, from another tab or by a mailed link."""


@transaction.atomic
def note_sign_in(*, account: Account, **how: str) -> None:
    """Record that the person signed in; `how`, when it was not with the portal's own form."""
    journal.record(account=account, actor=account, event=Event.SIGNED_IN, **how)


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
def note_sign_out(*, account: Account) -> None:
    """Record that the person signed out."""
    journal.record(account=account, actor=account, event=Event.SIGNED_OUT)


@transaction.atomic
def change_password(*, account: Account, password: str, keep: str | None = None) -> Account:
    """Give the account another password; every session ends but the one with the key `keep`, which needs another key
    now (`accounts.sessions.keep_session`).

    `password` has passed the validators and is normalised; the present one has just been given (SES-08). Both addresses
    are told (PWD-06). Raises NotActive, PasswordChangedMeanwhile.
    """
    known_since = account.password_changed_at
    account = held(account)
    if account.password_changed_at != known_since:
        raise PasswordChangedMeanwhile
    Session.objects.filter(account=account).exclude(session_key=keep).delete()
    give_password(account=account, password=password, event=Event.PASSWORD_CHANGED)
    return account


def reset_password(*, claims: Claims, password: str) -> Account:
    """Give another password to the account that a link of forgotten passwords names: `choose_password_by_link`."""
    return choose_password_by_link(
        link=password_reset_link, claims=claims, password=password, event=Event.PASSWORD_RESET
    )


def choose_password_by_link(*, link: MailedLink, claims: Claims, password: str, event: Event) -> Account:
    """Give another password to the account that `claims` of `link` name, recorded as `event`. Every session ends, and
    nobody is signed in (PWD-06).

    `password` has passed the validators and is normalised. Tries that failed before count no more against the person.
    Raises LinkUsed, LinkExpired, LinkNotValid when the link opens nothing any more, a moment after it did.
    """
    account = _give_password_by_link(link, claims, password, event)
    FAILED_SIGN_INS_PER_LOGIN.forget(account.login)
    FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT.forget(account.login, this_client())
    return account


@transaction.atomic
def choose_language(*, account: Account, language: str) -> None:
    """Write to the person, and show pages after signing in, in `language`."""
    changed = Account.objects.filter(pk=account.pk).exclude(language=language).update(language=language)
    if changed:
        journal.record(account=account, actor=account, event=Event.LANGUAGE_CHOSEN, language=language)


def held(account: Account) -> Account:
    """The account as it is now, its row held until the end of the transaction.

    Two queries, so that what is read after the wait is what the other one left. Raises NotActive.
    """
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    now: Account = Account.objects.with_lock().get(pk=account.pk)
    if now.state != State.ACTIVE:
        raise NotActive
    return now


def give_up_waiting_change(account: Account, *, actor: Account | None = None) -> None:
    """Let the wish for another recovery address, if one waits, come to nothing: who made it may have been somebody who
    knew the password. Whatever the state of the account, whose row is held; `actor` is whoever saw to it in person.
    """
    change = RecoveryAddressChange.objects.waiting().filter(account=account).first()
    if change is None:
        return
    change.cancelled_at = timezone.now()
    change.save(update_fields=["cancelled_at"])
    journal.record(account=account, actor=actor, event=Event.RECOVERY_CHANGE_CANCELLED, address=change.new_address)


def give_up_open_correction(account: Account) -> None:
    """Let the recovery address that agents were about to give, if there is one, come to nothing. The row of `account`
    is held.
    """
    correction = RecoveryAddressCorrection.objects.open().filter(account=account).first()
    if correction is not None:
        give_up_correction(correction=correction)


def give_up_correction(*, correction: RecoveryAddressCorrection, actor: Account | None = None, **why: str) -> None:
    """Let a correction that is open come to nothing; `why` is for the journal. The row of its account is held."""
    correction.given_up_at, correction.given_up_by = timezone.now(), actor
    correction.save(update_fields=["given_up_at", "given_up_by"])
    journal.record(
        account=correction.account,
        actor=actor,
        event=Event.RECOVERY_REPLACEMENT_GIVEN_UP,
        correction=correction.pk,
        **why,
    )


def give_password(*, account: Account, password: str, event: Event) -> None:
    """Make `password` the account's, recorded as `event`, and tell every address on file (PWD-06). The row is held.

    `password` has passed the validators and is normalised. Ending sessions is the caller's.
    """
    account.set_password(password)
    account.password_changed_at = timezone.now()
    account.save(update_fields=["password", "password_changed_at"])
    give_up_waiting_change(account)
    entry = journal.record(account=account, actor=account, event=event)
    tell_of_change(kind=Kind.PASSWORD_CHANGED, entry=entry)


@transaction.atomic
def _give_password_by_link(link: MailedLink, claims: Claims, password: str, event: Event) -> Account:
    Account.objects.select_for_update(of=("self",)).get(pk=claims.account_id)
    account = link.check(claims).account
    Session.objects.filter(account=account).delete()
    give_password(account=account, password=password, event=event)
    return account
