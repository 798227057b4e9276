"""Accounts that an intruder had, and what agents send to help their owners."""

import re
from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.locking.unlock import (
    changes_to_review,
    restorable_addresses,
)
from accounts.models import Account, RecoveryAddressChange
from accounts.passwords.services import change_password
from assistance.models import AssistanceRequest
from assistance.services import create_request
from journal.events import Event
from mailrouting.services import change_redirection
from outbox.models import Message
from tests.accounts.recovery.recovering import change_to
from tests.assistance.asking import request_data
from tests.factories import active_account, reloaded

OWN, INTRUDERS = "ines.morel@exemple.net", "intrus@exemple.org"
REPORT = "Rappelée, elle a reconnu le faux formulaire."
ELSEWHERE = "une.autre@exemple.org"


def robbed_person(**facts: Any) -> Account:
    """Locked, after an intruder has changed the redirection, the recovery address and the password."""
    person = active_account(**{"given_name": "Inès", "recovery_address": OWN, "phone": "+33467123456", **facts})
    change_redirection(account=person, target=INTRUDERS, keep_copy=False)
    change_to(person, INTRUDERS)
    change_password(account=Account.objects.get(pk=person.pk), password="une-phrase-du-bureau-bleu")
    lock_account(account=person, reason=LockReason.PHISHING, comment="Formulaire piégé du 3 octobre")
    return person


def act_on(name: str, person: Account) -> str:
    """The address of the page of that act: lock, release, put-back, resend."""
    return reverse(f"admin:account-{name}", args=[person.pk])


def a_request_about(person: Account) -> AssistanceRequest:
    return create_request(**request_data(login=person.login, contact_address=ELSEWHERE))


def ticked(person: Account) -> list[int]:
    return [entry.pk for entry in changes_to_review(person)]


def good_release(person: Account, **changed: Any) -> dict[str, Any]:
    good = {"reason": "phishing-over", "proof": "call-back", "report": REPORT, "reviewed": ticked(person)}
    return good | changed


def boxes_of(answer: HttpResponse) -> dict[int, bool]:
    """The changes to look at, in the order of the page, and whether each is ticked."""
    boxes = re.findall(r'<input[^>]*name="reviewed"[^>]*>', answer.content.decode())
    return {int(re.search(r'value="(\d+)"', box)[1]): " checked" in box for box in boxes}


def events_of(person: Account) -> list[str]:
    return [entry.event for entry in person.journal.order_by("pk")]


def state_of(person: Account) -> tuple[Any, ...]:
    """All that a refused action must leave unchanged."""
    openings = [Event.ACCOUNT_OPENED, Event.SIGNED_IN, Event.SECOND_FACTOR_GIVEN]
    return (
        Account.objects.values().get(pk=person.pk),
        list(person.locks.order_by("pk").values()),
        list(person.journal.exclude(event__in=openings).order_by("pk").values()),
        list(Message.objects.filter(person=person).order_by("pk").values()),
        list(RecoveryAddressChange.objects.filter(account=person).order_by("pk").values()),
    )


def written_to(person: Account) -> set[str]:
    return set(Message.objects.filter(person=person).values_list("address", flat=True))


def to_put_back(person: Account) -> list[int]:
    """The changes that can be taken back."""
    account = reloaded(person)
    return list(restorable_addresses(account, changes_to_review(account)))


def good_put_back(person: Account, **changed: Any) -> dict[str, Any]:
    return {"change": to_put_back(person)[0], "reason": "Rappelée, elle ne connaît pas cette adresse."} | changed
