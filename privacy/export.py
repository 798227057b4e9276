"""Everything held about one person, for that person (PRV-07; GDPR articles 15 and 20).

What points at the account is found by walking the models, so that a table made tomorrow is in the copy tomorrow. What
names a person otherwise is told by the app that keeps it: `also_held`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from accounts.models import Account, Session
from journal.events import Event
from journal.services import record_event

#: Secrets, which open something: they prove, and tell nothing about the person.
LEFT_OUT: set[tuple[type[models.Model], str]] = {
    (Account, "password"),
    (Session, "session_key"),
    (Session, "session_data"),
}
#: What people did to others, and names them: it is not theirs to take home.
ABOUT_OTHERS: set[type[models.Model]] = set()

Rows = Iterable[models.Model]
_elsewhere: dict[str, Callable[[Account], Rows]] = {}


def exclude_column(table: type[models.Model], column: str) -> None:
    """Keep one more secret out of the copies."""
    LEFT_OUT.add((table, column))


def exclude_table(table: type[models.Model]) -> None:
    """Keep a table out of the copies of those whose acts it records."""
    ABOUT_OTHERS.add(table)


def register_source(name: str, find: Callable[[Account], Rows]) -> None:
    """Add rows that are about a person without pointing at the account."""
    _elsewhere[name] = find


@transaction.atomic
def export_person(*, account: Account, actor: Account | None) -> dict[str, Any]:
    """The copy, ready for JSON: names of tables and columns as in the documentation, instants in UTC.

    `actor` is the person, or nobody when the command line makes it for somebody who cannot sign in.
    """
    record_event(account=account, actor=actor, event=Event.DATA_EXPORTED)
    related = {relation.name: _related_rows(account, relation) for relation in relations()}
    elsewhere = {name: [_told(row) for row in find(account)] for name, find in sorted(_elsewhere.items())}
    return {"copied_at": timezone.now(), "account": _told(account), **related, **elsewhere}


def relations() -> list[Any]:
    """Every table that points at an account as its own, not as the author of an act on somebody else's."""
    own = (one for one in Account._meta.related_objects if not one.hidden and one.related_model not in ABOUT_OTHERS)
    return sorted(own, key=lambda one: one.name)


def _related_rows(account: Account, relation: Any) -> list[dict[str, Any]]:
    rows = relation.related_model._base_manager.filter(**{relation.field.name: account}).order_by("pk")
    return [_told(row) for row in rows]


def _told(row: models.Model) -> dict[str, Any]:
    # Not `type(row)`: the signed-in account is a lazy stand-in, which is of another type.
    table = row._meta.concrete_model
    fields = [field for field in row._meta.concrete_fields if (table, field.name) not in LEFT_OUT]
    return {field.name: field.value_from_object(row) for field in fields}
