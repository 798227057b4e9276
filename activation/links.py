"""The links that open the activation of an account, and its reactivation after a lock."""

from datetime import datetime, timedelta

from accounts.enums import State
from accounts.links.base import SignedLink
from accounts.models import Account
from activation.reminders.services import reminders_stopped
from outbox.deadlines import end_of_next_day


class ActivationLink(SignedLink):
    """Dies when the account is activated, when its recovery address is corrected or disputed, when it is locked."""

    purpose = "activation"
    url_name = "activation-link"

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """Where the link was sent, and that nothing has happened since: a lock, even released, ends older links."""
        return (
            account.recovery_address,
            account.recovery_address_disputed_at,
            account.activated_at,
            account.times_locked,
        )

    def is_done(self, account: Account, subject_id: int) -> bool:
        """Whether the account has been activated."""
        return account.activated_at is not None


class ReactivationLink(SignedLink):
    """Choose a new password after a lock was released (HLP-05). Dies with a corrected or disputed recovery address and
    with another lock, even one released since."""

    purpose = "reactivation"
    url_name = "reactivation-link"

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """Where the link was sent, which lock it follows, and that there is still something to reactivate."""
        return (
            account.recovery_address,
            account.recovery_address_disputed_at,
            account.times_locked,
            account.state == State.TO_REACTIVATE,
        )

    def is_done(self, account: Account, subject_id: int) -> bool:
        """Whether a password has been chosen since."""
        return account.has_usable_password()


class RemindersLink(SignedLink):
    """Write no more reminders. Good for as long as somebody may find the mail, whether the account is locked or not."""

    purpose = "reminders"
    url_name = "reminders-link"
    opens_when_locked = True

    def deadline(self, now: datetime) -> datetime:
        """About ninety days."""
        return end_of_next_day(now) + timedelta(days=90)

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """Where they go."""
        return (account.recovery_address,)

    def is_done(self, account: Account, subject_id: int) -> bool:
        """Whether none will be sent any more."""
        return account.activated_at is not None or reminders_stopped(account)


activation_link = ActivationLink()
reminders_link = RemindersLink()
reactivation_link = ReactivationLink()
