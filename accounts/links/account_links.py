"""The links that an account's own mails carry (design §4)."""

from datetime import UTC, datetime, timedelta

from accounts.enums import State
from accounts.links.signed_link import InvalidLink, SignedLink
from accounts.models import Account, Lock, RecoveryAddressChange
from journal.events import Event
from journal.models import JournalEntry

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PasswordResetLink(SignedLink):
    """Choose a new password within the hour. Its subject is the moment when the present password was chosen: any change
    of password, through this link or not, makes it a used one.
    """

    purpose = "password-reset"
    url_name = "password-reset-link"

    def deadline(self, now: datetime) -> datetime:
        """One hour of absolute time, whatever clocks do that night (TOK-05)."""
        return now + timedelta(hours=1)

    def subject(self, account: Account) -> int:
        """What `url` is to be given: when the present password was chosen, in microseconds since the epoch."""
        chosen_at = account.password_changed_at or EPOCH
        return (chosen_at - EPOCH) // timedelta(microseconds=1)

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """Where it was sent; a lock, even released, ends older links; so does losing the password to an agent's act."""
        return (account.recovery_address, account.times_locked, account.state == State.ACTIVE)

    def is_done(self, account: Account, subject_id: int) -> bool:
        """Whether the password has changed since."""
        return self.subject(account) != subject_id


class RecoveryAddressLink(SignedLink):
    """Proves a new recovery address; bound to the wish, so another wish or a cancelled one kills it (HLP-07)."""

    purpose = "recovery-address"
    url_name = "recovery-address-link"

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """The wish while it waits, the address it replaces, the password of whoever made it, and no lock since."""
        change = RecoveryAddressChange.objects.filter(account=account, pk=subject_id, cancelled_at__isnull=True).first()
        if change is None:
            raise InvalidLink
        addresses = (account.recovery_address, change.new_address)
        return (change.pk, *addresses, account.password_changed_at, account.times_locked)

    def is_done(self, account: Account, subject_id: int) -> bool:
        """Whether the new address has been confirmed."""
        confirmed = RecoveryAddressChange.objects.filter(account=account, pk=subject_id, confirmed_at__isnull=False)
        return confirmed.exists()


class NotMeLink(SignedLink):
    """ "Ce n'était pas moi", in the notice of a change: its subject is the entry of the journal that records it.

    A lock does not end it: of two people who report, the one who was there first puts the older address back. Its
    release does, since an agent has then settled what happened (HLP-02).
    """

    purpose = "not-me"
    url_name = "not-me-link"
    opens_when_locked = True

    def deadline(self, now: datetime) -> datetime:
        """Seven days (HLP-07)."""
        return now + timedelta(days=7)

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """The entry of this person, unless an agent has settled it."""
        entry = JournalEntry.objects.filter(account=account, pk=subject_id).first()
        if entry is None or self.is_settled(entry):
            raise InvalidLink
        return (entry.pk,)

    def is_settled(self, entry: JournalEntry) -> bool:
        """Whether the account has been locked and released since the change."""
        return Lock.objects.filter(account=entry.account_id, released_at__gte=entry.at).exists()

    def is_done(self, account: Account, subject_id: int) -> bool:
        """Whether this change has been reported, and is not settled yet."""
        reported = account.journal.filter(event=Event.CHANGE_DISOWNED, details__entry=subject_id)
        return account.is_locked and reported.exists()


password_reset_link = PasswordResetLink()
recovery_address_link = RecoveryAddressLink()
not_me_link = NotMeLink()
