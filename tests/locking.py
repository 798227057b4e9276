"""Locks, their release and the link that follows, as agents and people do it."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof, ReleaseReason
from accounts.locking.lock import lock_account
from accounts.locking.unlock import changes_to_review, unlock_account
from accounts.models import Account, Lock
from activation.links import reactivation_link
from tests.factories import active_account

REPORT = "Carte d’identité vue au guichet."
#: What a released lock holds, whoever wrote it; the database insists (HLP-03).
PROVEN = {"released_reason": ReleaseReason.PHISHING_OVER, "proof": Proof.IN_PERSON, "report": REPORT}


def fresh(person: Account) -> Account:
    """The account as it is now."""
    account: Account = Account.objects.get(pk=person.pk)
    return account


def an_agent(**facts: Any) -> Account:
    """Somebody of the DSIN."""
    return active_account(is_staff=True, **facts)


def locked_person(**facts: Any) -> Account:
    """Somebody whose password may have been captured."""
    person = active_account(**facts)
    lock_account(account=person, reason=LockReason.PHISHING)
    return fresh(person)


def release(person: Account, **changed: Any) -> Lock:
    """An agent has seen the person, ticked each change, and released the lock; `changed` is what is done otherwise."""
    good = {
        "agent": None,
        "reason": ReleaseReason.PHISHING_OVER,
        "proof": Proof.IN_PERSON,
        "report": REPORT,
        "reviewed": None,
    }
    asked = good | changed
    if asked["agent"] is None:
        asked["agent"] = an_agent()
    if asked["reviewed"] is None:
        asked["reviewed"] = [entry.pk for entry in changes_to_review(person)]
    return unlock_account(account=person, **asked)


def released_person(**facts: Any) -> Account:
    """Somebody who is to choose a new password."""
    person = locked_person(**facts)
    release(person)
    return fresh(person)


def reactivation_path(person: Account, built_at: datetime | None = None) -> str:
    """The link that the worker would mail now, or would have mailed then."""
    deadline = reactivation_link.deadline(built_at or timezone.now())
    return reverse("reactivation-link", args=[reactivation_link.token(person, deadline)])
