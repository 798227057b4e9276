"""One account in each state, and none, for forms that anyone can send; and what happens to an account meanwhile."""

from datetime import UTC, date, datetime, timedelta
from functools import partial

from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from outbox.enums import Kind
from outbox.models import Message
from tests.factories import active_account, pending_account
from tests.locking import UNLOCK_REASONS, unlocked_account

pending, active, to_reactivate = pending_account, active_account, unlocked_account
departed = partial(pending_account, end_date=date(2026, 1, 31))
without_recovery_address = partial(pending_account, recovery_address="")
disputed = partial(pending_account, recovery_address_disputed_at=datetime(2026, 1, 31, tzinfo=UTC))
unknown = partial(Account, institutional_address="personne.inconnue@univ-exemple.fr")


def locked() -> Account:
    return lock(active_account())


def locked_before_activation() -> Account:
    return lock(pending_account())


def sharing_a_recovery_address() -> Account:
    pending_account(recovery_address="famille@exemple.net")
    return pending_account(recovery_address="famille@exemple.net")


def changed(person: Account, **facts: object) -> Account:
    Account.objects.filter(pk=person.pk).update(**facts)
    return person


def lock(person: Account) -> Account:
    lock_account(account=person, reason=LockReason.PHISHING)
    Message.objects.filter(kind=Kind.ACCOUNT_LOCKED).delete()
    return person


def lock_and_release(person: Account) -> None:
    lock(person).locks.filter(released_at=None).update(released_at=timezone.now(), **UNLOCK_REASONS)


def leave(person: Account) -> Account:
    return changed(person, end_date=timezone.localdate() - timedelta(days=1))


def correct_the_address(person: Account) -> Account:
    return changed(person, recovery_address="correcte@exemple.net")


def dispute_the_address(person: Account) -> Account:
    return changed(person, recovery_address_disputed_at=timezone.now())


EVERY_STATE = (
    pending, active, locked, locked_before_activation, departed, without_recovery_address, disputed,
    sharing_a_recovery_address, to_reactivate, unknown,
)  # fmt: skip
