"""Accounts of the public directory, written without the wizard."""

from datetime import datetime
from itertools import count

from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account
from directory.models import DirectoryConsent

numbers = count(1_000)


def listed_person(given_name: str = "Camille", family_name: str = "Durand", **facts: object) -> Account:
    return _listed([_active(given_name, family_name, **facts)])[0]


def active_unlisted_person(given_name: str = "Camille", family_name: str = "Durand", **facts: object) -> Account:
    return Account.objects.bulk_create([_active(given_name, family_name, **facts)])[0]


def listed_people_called(family_name: str, how_many: int) -> list[Account]:
    return _listed([_active("Camille", family_name) for _ in range(how_many)])


def decide(account: Account, *, listed: bool, at: datetime | None = None) -> None:
    DirectoryConsent.objects.create(
        account=account, listed=listed, wording="?", language="fr", decided_at=at or timezone.now()
    )


def _active(given_name: str, family_name: str, **facts: object) -> Account:
    number = next(numbers)
    now = timezone.now()
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
    return Account(given_name=given_name, family_name=family_name, **{**defaults, **facts})


def _listed(people: list[Account]) -> list[Account]:
    Account.objects.bulk_create(people)
    DirectoryConsent.objects.bulk_create(
        DirectoryConsent(account=person, listed=True, wording="?", language="fr") for person in people
    )
    return people
