"""Accounts of the public directory, written without the wizard."""

from datetime import datetime
from itertools import count

from django.utils import timezone

from accounts.models import Account
from directory.models import DirectoryConsent
from tests.factories import pending_account

numbers = count(1_000)


def listed_person(given_name: str = "Camille", family_name: str = "Durand", **facts: object) -> Account:
    person = active_unlisted_person(given_name, family_name, **facts)
    decide(person, listed=True)
    return person


def active_unlisted_person(given_name: str = "Camille", family_name: str = "Durand", **facts: object) -> Account:
    number, now = next(numbers), timezone.now()
    names = {"given_name": given_name, "family_name": family_name, "employer": "Employeur secret"}
    keys = {"institutional_address": f"personne{number}@univ-exemple.fr", "phone": "+33467000000"}
    active = {"password": "argon2$not-looked-at", "charter_accepted_at": now, "activated_at": now}
    return pending_account(**names | keys | active | {"recovery_address": f"secours{number}@exemple.net"} | facts)


def listed_people_called(family_name: str, how_many: int) -> list[Account]:
    return [listed_person("Camille", family_name) for _ in range(how_many)]


def decide(account: Account, *, listed: bool, at: datetime | None = None) -> None:
    DirectoryConsent.objects.create(
        account=account, listed=listed, wording="?", language="fr", decided_at=at or timezone.now()
    )
