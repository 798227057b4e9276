"""The links that open the activation of an account, and its reactivation after a lock."""

from datetime import datetime, timedelta

from accounts.enums import State
from accounts.links.signed_link import SignedLink
from accounts.models import Account
from activation.reminders.services import reminders_stopped
from outbox.deadlines import end_of_next_day


class ActivationLink(SignedLink):
    """Revoked by activation, by a corrected or disputed recovery address, and by a lock, even a released one."""

    purpose = "activation"
    url_name = "activation-link"

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        return (
            account.recovery_address,
            account.recovery_address_disputed_at,
            account.activated_at,
            account.times_locked,
        )

    def is_done(self, account: Account, subject_id: int) -> bool:
        return account.activated_at is not None


class ReactivationLink(SignedLink):
    """Sets a new password after an unlock. Revoked by a corrected or disputed recovery address and by another lock,
    even a released one."""

    purpose = "reactivation"
    url_name = "reactivation-link"

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        return (
            account.recovery_address,
            account.recovery_address_disputed_at,
            account.times_locked,
            account.state == State.TO_REACTIVATE,
        )

    def is_done(self, account: Account, subject_id: int) -> bool:
        return account.has_usable_password()


class RemindersLink(SignedLink):
    """Unsubscribes from reminders; valid for about ninety days, also while the account is locked."""

    purpose = "reminders"
    url_name = "reminders-link"
    opens_when_locked = True

    def deadline(self, now: datetime) -> datetime:
        return end_of_next_day(now) + timedelta(days=90)

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        return (account.recovery_address,)

    def is_done(self, account: Account, subject_id: int) -> bool:
        return account.activated_at is not None or reminders_stopped(account)


activation_link = ActivationLink()
reminders_link = RemindersLink()
reactivation_link = ReactivationLink()
