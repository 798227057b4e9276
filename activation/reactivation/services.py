"""Taking an account up again after its lock was released: another password, chosen by its owner (HLP-06)."""

from accounts.links.base import TokenPayload
from accounts.models import Account
from accounts.passwords.services import set_password_by_link
from activation.links import reactivation_link
from journal.events import Event


def reactivate(*, claims: TokenPayload, password: str) -> Account:
    """Give the account that a reactivation link names another password: it is active again, by the rules and with the
    exceptions of `choose_password_by_link`."""
    return set_password_by_link(link=reactivation_link, claims=claims, password=password, event=Event.USER_REACTIVATED)
