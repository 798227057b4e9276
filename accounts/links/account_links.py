"""The links in an account's own mails."""

from datetime import UTC, datetime, timedelta

from accounts.enums import State
from accounts.links.signed_link import InvalidLink, SignedLink
from accounts.models import Account, Lock, RecoveryAddressChange
from journal.events import Event
from journal.models import JournalEntry

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PasswordResetLink(SignedLink):
    """Choose a new password. The subject is the date of the present password: any change of it uses the link up."""

    purpose = "password-reset"
    url_name = "password-reset-link"

    def deadline(self, now: datetime) -> datetime:
        """One hour of absolute time, also on the nights when clocks change."""
        return now + timedelta(hours=1)

    def subject(self, account: Account) -> int:
        """The `subject_id` for `url`: when the present password was set, in microseconds since the epoch."""
        set_at = account.password_changed_at or EPOCH
        return (set_at - EPOCH) // timedelta(microseconds=1)

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """A lock revokes the link even once it is released, and so does an agent's removal of the password."""
        return (account.recovery_address, account.times_locked, account.state == State.ACTIVE)

    def is_done(self, account: Account, subject_id: int) -> bool:
        return self.subject(account) != subject_id


class RecoveryAddressLink(SignedLink):
    """Confirm a new recovery address. The subject is the pending RecoveryAddressChange."""

    purpose = "recovery-address"
    url_name = "recovery-address-link"

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """The change, both addresses, the password of the account owner who asked, and the number of locks."""
        change = RecoveryAddressChange.objects.filter(account=account, pk=subject_id, cancelled_at__isnull=True).first()
        if change is None:
            raise InvalidLink
        addresses = (account.recovery_address, change.new_address)
        return (change.pk, *addresses, account.password_changed_at, account.times_locked)

    def is_done(self, account: Account, subject_id: int) -> bool:
        confirmed = RecoveryAddressChange.objects.filter(account=account, pk=subject_id, confirmed_at__isnull=False)
        return confirmed.exists()


class NotMeLink(SignedLink):
    """ "Ce n'était pas moi", in the notification of a change. The subject is the journal entry of the change.

    A lock does not revoke it: after two opposite reports, the older address is restored. Unlocking does, since an agent
    has then reviewed the change.
    """

    purpose = "not-me"
    url_name = "not-me-link"
    opens_when_locked = True

    def deadline(self, now: datetime) -> datetime:
        return now + timedelta(days=7)

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        entry = JournalEntry.objects.filter(account=account, pk=subject_id).first()
        if entry is None or self.is_settled(entry):
            raise InvalidLink
        return (entry.pk,)

    def is_settled(self, entry: JournalEntry) -> bool:
        """Whether an agent has unlocked the account since the change."""
        return Lock.objects.filter(account=entry.account_id, released_at__gte=entry.at).exists()

    def is_done(self, account: Account, subject_id: int) -> bool:
        """Whether the change has been reported, and no agent has reviewed it yet."""
        reported = account.journal.filter(event=Event.CHANGE_DISOWNED, details__entry=subject_id)
        return account.is_locked and reported.exists()


password_reset_link = PasswordResetLink()
recovery_address_link = RecoveryAddressLink()
not_me_link = NotMeLink()
