"""The link that opens the activation of an account."""

from accounts.models import Account
from accounts.tokens import MailedLink


class ActivationLink(MailedLink):
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


activation_link = ActivationLink()
