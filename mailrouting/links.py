"""The link that proves a forwarding address."""

from accounts.links.base import SignedLink
from accounts.models import Account
from mailrouting.models import Redirection


class RedirectionLink(SignedLink):
    """Bound to the account, the redirection and its exact address: choosing another address kills it (FWD-01), and so
    does a lock, even released."""

    purpose = "redirection"
    url_name = "redirection-link"

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        """The redirection and the address to prove, no lock since, and that the university allows it (FWD-06)."""
        redirection = Redirection.objects.filter(account=account, pk=subject_id).first()
        wanted = (redirection.target, redirection.suspension == "") if redirection else ()
        return (subject_id, *wanted, account.times_locked)

    def is_done(self, account: Account, subject_id: int) -> bool:
        """An address is verified once; which one is for `state` to say."""
        return False


redirection_link = RedirectionLink()
