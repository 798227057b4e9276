"""Erasing somebody's personal data (PRV-07), one person asked for or all those who left long ago (PRV-05).

The account's row stays, empty but for the names and the key of HR: nobody else ever gets the names, so nobody reads
mail or uses rights meant for the person, and an HR file that still lists them brings nothing back. What points at the
account is found by walking the models, so that a table made tomorrow is emptied tomorrow, unless its app says that it
outlives the data, and why.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models.functions import Coalesce, Least
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from journal.triggers import allow_retention
from privacy.export import relations


class AccountIsAgent(Exception):
    """Agents answer for what they did: their rights are taken away first."""


#: Facts of the account that go. The names and the key of HR stay, the dates of creation and departure, the category.
EMPTY = {
    "given_name": "",
    "family_name": "",
    "birth_date": None,
    "employer": "",
    "ine": "",
    "phone": "",
    "start_date": None,
    "language": "fr",
    "recovery_address": "",
    "recovery_address_owner_set_at": None,
    "recovery_address_disputed_at": None,
    "activated_at": None,
    "password_changed_at": None,
    "last_login": None,
}

_outlives: dict[str, str | Promise] = {
    "journal": _("ce qui est arrivé et quand, sans adresse ni détail, pour la durée de conservation du journal"),
}
_also: list[Callable[[Sequence[Account]], None]] = []


def keep_relation(relation: str, why: str | Promise) -> None:
    """Let the rows of that relation of an account stay; `why` is what the person is told."""
    _outlives[relation] = why


def register_erasure(act: Callable[[Sequence[Account]], None]) -> Callable[[Sequence[Account]], None]:
    """Register what else has to be done: rows about people that do not point at the account as its own."""
    _also.append(act)
    return act


def kept_relations() -> dict[str, str]:
    """What is kept of an erased person, by table, and why."""
    return {relation: str(why) for relation, why in sorted(_outlives.items())}


@transaction.atomic
def erase_person(*, account: Account, actor: Account | None = None) -> bool:
    """Erase what is personal; False when it has been done before. The account is closed if it was not.

    Raises StillAnAgent.
    """
    held = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
    if held.erased_at is not None:
        return False
    if held.is_staff or held.is_superuser:
        raise AccountIsAgent
    erase([held], actor=actor)
    return True


def erase(accounts: Sequence[Account], actor: Account | None = None) -> None:
    """Erase what is personal about these people, whose rows are held by the caller's transaction."""
    ids = [account.pk for account in accounts]
    for act in _also:
        act(accounts)
    _empty_accounts(ids)
    with allow_retention():
        _delete_what_points_at(ids)
        JournalEntry.objects.filter(account__in=ids).update(details={}, client_address=None, device="")
    for account in accounts:
        record_event(account=account, actor=actor, event=Event.USER_ERASED)


def _empty_accounts(ids: list[int]) -> None:
    """Before what points at them: the database notes names elsewhere when they change."""
    yesterday = timezone.localdate() - timedelta(days=1)
    Account.objects.filter(pk__in=ids).update(
        **EMPTY,
        password=make_password(None),
        end_date=Least(Coalesce("end_date", yesterday), yesterday),
        erased_at=timezone.now(),
    )
    for rights in (Account.groups.through, Account.user_permissions.through):
        rights._default_manager.filter(account__in=ids).delete()


def _delete_what_points_at(ids: list[int]) -> None:
    for relation in relations():
        if relation.name not in _outlives:
            relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": ids}).delete()
