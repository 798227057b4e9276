"""Reactivate an account after an unlock: its owner chooses a new password."""

from accounts.links.signed_link import TokenPayload
from accounts.models import Account
from accounts.passwords.services import set_password_by_link
from activation.links import reactivation_link
from journal.events import Event


def reactivate(*, payload: TokenPayload, password: str) -> Account:
    """Set a new password through a reactivation link. Raises what `set_password_by_link` raises."""
    return set_password_by_link(
        link=reactivation_link, payload=payload, password=password, event=Event.USER_REACTIVATED
    )
