"""Erases personal data: of one person on request, or of people who left.

The account's row stays, with its logins and HR key only: the logins are never given to someone else, and the HR file
does not recreate the account. Tables that point at the account are found by walking the models; apps name those to
keep with `keep_relation`.
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
    """The rights have to be withdrawn first."""


#: Kept: logins, HR key, category, dates of creation and departure.
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
    "approves_from": None,
    "last_login": None,
}

_kept: dict[str, str | Promise] = {
    "journal": _("ce qui est arrivé et quand, sans adresse ni détail, pour la durée de conservation du journal"),
}
_hooks: list[Callable[[Sequence[Account]], None]] = []


def keep_relation(relation: str, why: str | Promise) -> None:
    """`why` is shown by the command, for the answer to the person."""
    _kept[relation] = why


def register_erasure(hook: Callable[[Sequence[Account]], None]) -> Callable[[Sequence[Account]], None]:
    """For rows about people that do not point at the account as its own."""
    _hooks.append(hook)
    return hook


def kept_relations() -> dict[str, str]:
    return {relation: str(why) for relation, why in sorted(_kept.items())}


@transaction.atomic
def erase_person(*, account: Account, actor: Account | None = None) -> bool:
    """Closes the account. Returns False when it was erased before. Raises AccountIsAgent."""
    locked = Account.objects.lock(account.pk)
    if locked.erased_at is not None:
        return False
    if locked.is_staff or locked.is_superuser:
        raise AccountIsAgent
    erase([locked], actor=actor)
    return True


def erase(accounts: Sequence[Account], actor: Account | None = None) -> None:
    """The caller has locked the rows."""
    ids = [account.pk for account in accounts]
    for hook in _hooks:
        hook(accounts)
    _empty_accounts(ids)
    with allow_retention():
        _delete_what_points_at(ids)
        JournalEntry.objects.filter(account__in=ids).update(details={}, client_address=None, device="")
    for account in accounts:
        record_event(account=account, actor=actor, event=Event.USER_ERASED)


def _empty_accounts(ids: list[int]) -> None:
    """Before the rows that point at them: a trigger copies the names elsewhere when they change."""
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
        if relation.name not in _kept:
            relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": ids}).delete()
