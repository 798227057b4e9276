"""Accounts in the states that the services leave."""

import hashlib
from datetime import date
from typing import Any

import factory
from django.contrib.auth.hashers import make_password
from django.utils import timezone, translation
from factory.django import DjangoModelFactory

from accounts.enums import Category
from accounts.models import Account
from activation.models import Charter, CharterAcceptance
from directory.models import DirectoryConsent
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.models import Mailbox, Redirection

A_GOOD_PASSWORD = "cheval-agrafe-pile-correct"


def but_the_year_of_birth(number: int) -> int:
    """Tests look for 1984 where it must not be: no name has that number."""
    return number + (number >= 1984)


class AccountFactory(DjangoModelFactory):
    """A pending account: HR has recorded the person, no mail was sent."""

    class Meta:
        model = Account
        skip_postgeneration_save = True

    hr_id = factory.Sequence(lambda number: f"HR{but_the_year_of_birth(number):06}")
    uid = factory.Sequence(lambda number: f"cdurand{but_the_year_of_birth(number)}")
    given_name = "Camille"
    family_name = factory.Sequence(lambda number: f"Durand{but_the_year_of_birth(number)}")
    institutional_address = factory.LazyAttribute(lambda a: f"{a.given_name}.{a.family_name}@univ-exemple.fr".lower())
    recovery_address = factory.LazyAttribute(lambda a: f"{a.given_name}.{a.family_name}@exemple.net".lower())
    birth_date = date(1984, 2, 29)
    category = Category.STAFF
    password = "!"


class ActiveAccountFactory(AccountFactory):
    """An activated account with its charter, directory choice, mailbox and journal."""

    class Params:
        clear_password = A_GOOD_PASSWORD

    password = factory.LazyAttribute(lambda a: make_password(a.clear_password))
    charter_accepted_at = factory.LazyFunction(timezone.now)
    activated_at = factory.LazyFunction(timezone.now)
    password_changed_at = factory.LazyFunction(timezone.now)

    @factory.post_generation
    def facts(self: Account, create: bool, extracted: object, **kwargs: Any) -> None:
        language = translation.get_language() or "fr"
        # The latest charter: with a frozen clock none may be in force yet.
        charter = Charter.objects.exclude(published_at=None).latest("published_at")
        digest = hashlib.sha256(getattr(charter, f"text_{language}").encode()).hexdigest()
        CharterAcceptance.objects.create(account=self, charter=charter, language=language, text_sha256=digest)
        DirectoryConsent.objects.create(account=self, listed=False, wording="?", language=language)
        events = [Event.CHARTER_ACCEPTED, Event.DIRECTORY_CONSENT_REFUSED]
        if self.has_mailbox_right:
            Redirection.objects.create(account=self)
            Mailbox.objects.create(account=self, address=self.institutional_address)
            events += [Event.REDIRECTION_DECLINED, Event.MAILBOX_CREATED]
        JournalEntry.objects.bulk_create(
            JournalEntry(account=self, actor=self, event=event, source="command") for event in events
        )


def pending_account(**facts: Any) -> Account:
    return AccountFactory(**facts)


def active_account(*, password: str = A_GOOD_PASSWORD, **facts: Any) -> Account:
    return ActiveAccountFactory(clear_password=password, **facts)


def reloaded(person: Account) -> Account:
    account: Account = Account.objects.get(pk=person.pk)
    return account


def events_of(person: Account) -> list[str]:
    return list(person.journal.order_by("pk").values_list("event", flat=True))
