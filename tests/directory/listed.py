"""Accounts of the public directory, written without the wizard."""

from datetime import datetime
from itertools import count

from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account
from directory.models import DirectoryConsent

numbers = count(1_000)


def listed_person(given_name: str = "Camille", family_name: str = "Durand", **facts: object) -> Account:
    person = active_unlisted_person(given_name, family_name, **facts)
    decide(person, listed=True)
    return person


def active_unlisted_person(given_name: str = "Camille", family_name: str = "Durand", **facts: object) -> Account:
    number, now = next(numbers), timezone.now()
    defaults = {
        "hr_id": f"HR{number:06}",
        "uid": f"uid{number}",
        "institutional_address": f"personne{number}@univ-exemple.fr",
        "category": Category.STAFF,
        "employer": "Employeur secret",
        "phone": "+33467000000",
        "recovery_address": f"secours{number}@exemple.net",
        "password": "argon2$not-looked-at",
        "charter_accepted_at": now,
        "activated_at": now,
    }
    return Account.objects.create(given_name=given_name, family_name=family_name, **{**defaults, **facts})


def listed_people_called(family_name: str, how_many: int) -> list[Account]:
    return [listed_person("Camille", family_name) for _ in range(how_many)]


def decide(account: Account, *, listed: bool, at: datetime | None = None) -> None:
    DirectoryConsent.objects.create(
        account=account, listed=listed, wording="?", language="fr", decided_at=at or timezone.now()
    )
