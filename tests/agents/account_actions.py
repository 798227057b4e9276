"""Accounts that an intruder had, and the pages where agents help their owners."""

from typing import Any

from django.urls import reverse

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.passwords.services import change_password
from mailrouting.services import change_redirection
from tests.accounts.recovery.recovering import change_to
from tests.factories import active_account, reloaded

OWN, INTRUDERS = "ines.morel@exemple.net", "intrus@exemple.org"


def robbed_person(**facts: Any) -> Account:
    """Locked, after an intruder has changed the redirection, the recovery address and the password."""
    person = active_account(**{"given_name": "Inès", "recovery_address": OWN, "phone": "+33467123456", **facts})
    change_redirection(account=person, target=INTRUDERS, keep_copy=False)
    change_to(person, INTRUDERS)
    change_password(account=reloaded(person), password="une-phrase-du-bureau-bleu")
    lock_account(account=person, reason=LockReason.PHISHING, comment="Formulaire piégé du 3 octobre")
    return person


def act_on(name: str, person: Account) -> str:
    return reverse(f"admin:account-{name}", args=[person.pk])
