"""Locked and unlocked accounts."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof, ReleaseReason
from accounts.links.account_links import password_reset_link
from accounts.locking.lock import lock_account
from accounts.locking.unlock import changes_to_review, unlock_account
from accounts.models import Account, Lock
from activation.links import reactivation_link
from tests.factories import active_account, reloaded

REPORT = "Carte d’identité vue au guichet."
#: What the database requires of an unlock.
UNLOCK_REASONS = {"released_reason": ReleaseReason.PHISHING_OVER, "proof": Proof.IN_PERSON, "report": REPORT}


def an_agent(**facts: Any) -> Account:
    return active_account(is_staff=True, **facts)


def locked_account(**facts: Any) -> Account:
    person = active_account(**facts)
    lock_account(account=person, reason=LockReason.PHISHING)
    return reloaded(person)


def is_told_why(page: str) -> bool:
    return f"<b>{LockReason.PHISHING.label}</b>" in page and "Votre compte a été bloqué le" in page


def unlock(person: Account, **changed: Any) -> Lock:
    """An agent unlocks, with a proof and all changes reviewed; `changed` overrides an argument."""
    arguments = {"reason": ReleaseReason.PHISHING_OVER, "proof": Proof.IN_PERSON, "report": REPORT, **changed}
    if arguments.get("agent") is None:
        arguments["agent"] = an_agent()
    if arguments.get("reviewed") is None:
        arguments["reviewed"] = [entry.pk for entry in changes_to_review(person)]
    return unlock_account(account=person, **arguments)


def unlocked_account(**facts: Any) -> Account:
    """Unlocked; has to choose a new password."""
    person = locked_account(**facts)
    unlock(person)
    return reloaded(person)


def password_reset_path(person: Account, built_at: datetime | None = None) -> str:
    account, deadline = reloaded(person), password_reset_link.deadline(built_at or timezone.now())
    token = password_reset_link.token(account, deadline, password_reset_link.subject(account))
    return reverse("password-reset-link", args=[token])


def reactivation_path(person: Account, built_at: datetime | None = None) -> str:
    deadline = reactivation_link.deadline(built_at or timezone.now())
    return reverse("reactivation-link", args=[reactivation_link.token(person, deadline)])
