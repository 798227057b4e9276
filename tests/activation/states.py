"""One account in each state, and none, for forms that anyone can send."""

from datetime import timedelta

from django.utils import timezone

from accounts.enums import LockReason, State
from accounts.locking.lock import lock_account
from accounts.models import Account
from outbox.enums import Kind
from outbox.models import Message
from tests.factories import active_account, pending_account


def pending() -> Account:
    return pending_account()


def active() -> Account:
    return active_account()


def lock(account: Account) -> Account:
    lock_account(account=account, reason=LockReason.PHISHING)
    Message.objects.filter(kind=Kind.ACCOUNT_LOCKED).delete()
    return account


def locked() -> Account:
    return lock(active_account())


def locked_before_activation() -> Account:
    return lock(pending_account())


def departed() -> Account:
    return pending_account(end_date=timezone.localdate() - timedelta(days=1))


def without_recovery_address() -> Account:
    return pending_account(recovery_address="")


def disputed() -> Account:
    return pending_account(recovery_address_disputed_at=timezone.now())


def sharing_a_recovery_address() -> Account:
    pending_account(recovery_address="famille@exemple.net")
    return pending_account(recovery_address="famille@exemple.net")


def to_reactivate() -> Account:
    account = active_account()
    account.set_unusable_password()
    account.save()
    assert account.state == State.TO_REACTIVATE
    return account


def unknown() -> Account:
    return Account(institutional_address="personne.inconnue@univ-exemple.fr")


EVERY_STATE = (
    pending, active, locked, locked_before_activation, departed, without_recovery_address, disputed,
    sharing_a_recovery_address, to_reactivate, unknown,
)  # fmt: skip
