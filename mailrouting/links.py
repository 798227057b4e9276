from accounts.links.signed_link import SignedLink
from accounts.models import Account
from mailrouting.models import Redirection


class RedirectionLink(SignedLink):
    """Verifies a forwarding address. Revoked by another choice, by settings that forbid the address, and by a lock,
    even a released one."""

    purpose = "redirection"
    url_name = "redirection-link"

    def state(self, account: Account, subject_id: int) -> tuple[object, ...]:
        redirection = Redirection.objects.filter(account=account, pk=subject_id).first()
        wanted = (redirection.target, redirection.suspension == "") if redirection else ()
        return (subject_id, *wanted, account.times_locked)

    def is_done(self, account: Account, subject_id: int) -> bool:
        return False


redirection_link = RedirectionLink()
