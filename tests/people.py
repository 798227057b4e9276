"""People to test with, as HR would have recorded them."""

from datetime import date
from itertools import count
from typing import Any

from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account

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
    """Somebody who activated a while ago, with everything that goes with it."""
    from activation.models import Charter
    from activation.services import accept_charter
    from directory.services import record_directory_consent
    from mailrouting.services import decline_redirection, open_mailbox

    person = pending_person(**facts)
    # Whichever came last: with the clock set back, none may be in force yet.
    accept_charter(account=person, charter=Charter.objects.latest("published_at"))
    person.activated_at = person.password_changed_at = timezone.now()
    person.set_password(password)
    person.save()
    record_directory_consent(account=person, listed=False, wording="?")
    if person.has_mailbox_right:
        decline_redirection(account=person)
        open_mailbox(account=person)
    return person
