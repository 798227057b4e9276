"""People to test with, as HR would have recorded them."""

import hashlib
from datetime import date
from itertools import count
from typing import Any

from django.contrib.auth.hashers import make_password
from django.utils import timezone, translation

from accounts.enums import Category
from accounts.models import Account
from journal.events import Event
from journal.models import JournalEntry

numbers = count(1)
A_GOOD_PASSWORD = "cheval-agrafe-pile-correct"


def pending_person(**facts: Any) -> Account:
    """Somebody whom HR has just recorded; nothing has been mailed."""
    number = next(numbers)
    given = facts.get("given_name", "Camille")
    family = facts.get("family_name", f"Durand{number}")
    defaults = {
        "hr_id": f"HR{number:06}",
        "uid": f"cdurand{number}",
        "institutional_address": f"{given}.{family}@univ-exemple.fr".lower(),
        "given_name": given,
        "family_name": family,
        "birth_date": date(1984, 2, 29),
        "category": Category.STAFF,
        "recovery_address": f"{given}.{family}@exemple.net".lower(),
        "password": "!",
    }
    return Account.objects.create(**{**defaults, **facts})


def active_person(*, password: str = A_GOOD_PASSWORD, **facts: Any) -> Account:
    """Somebody who activated a while ago, with everything that goes with it; thousands of tests need one, so the rows
    are written as the services would leave them."""
    from activation.models import Charter, CharterAcceptance
    from directory.models import DirectoryConsent
    from mailrouting.models import Mailbox, Redirection

    now = timezone.now()
    times = {"charter_accepted_at": now, "activated_at": now, "password_changed_at": now}
    person = pending_person(**{**times, "password": make_password(password), **facts})
    # Whichever came last: with the clock set back, none may be in force yet.
    language = translation.get_language() or "fr"
    published = Charter.objects.exclude(published_at=None).order_by("published_at")
    charter, text = published.values_list("pk", f"text_{language}").last()
    digest = hashlib.sha256(text.encode()).hexdigest()
    CharterAcceptance.objects.create(account=person, charter_id=charter, language=language, text_sha256=digest)
    DirectoryConsent.objects.create(account=person, listed=False, wording="?", language=language)
    events = [Event.CHARTER_ACCEPTED, Event.DIRECTORY_CONSENT_REFUSED]
    if person.has_mailbox_right:
        Redirection.objects.create(account=person)
        Mailbox.objects.create(account=person, address=person.institutional_address)
        events += [Event.REDIRECTION_DECLINED, Event.MAILBOX_CREATED]
    JournalEntry.objects.bulk_create(
        JournalEntry(account=person, actor=person, event=event, source="command") for event in events
    )
    return person
