"""Everything that is held about a person, for that person (GDPR articles 15 and 20).

Tables that point at the account are found by walking the models, so a new table is exported without further code.
Apps register rows that name a person in another way with `register_source`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from accounts.models import Account, Session
from journal.events import Event
from journal.services import record_event

#: Secrets.
LEFT_OUT: set[tuple[type[models.Model], str]] = {
    (Account, "password"),
    (Session, "session_key"),
    (Session, "session_data"),
}
#: Tables of what agents did to others.
ABOUT_OTHERS: set[type[models.Model]] = set()

Rows = Iterable[models.Model]
_sources: dict[str, Callable[[Account], Rows]] = {}


def exclude_column(table: type[models.Model], column: str) -> None:
    """For secrets."""
    LEFT_OUT.add((table, column))


def exclude_table(table: type[models.Model]) -> None:
    """For tables of what an agent did to others."""
    ABOUT_OTHERS.add(table)


def register_source(name: str, find: Callable[[Account], Rows]) -> None:
    """Add rows that are about a person without pointing at the account."""
    _sources[name] = find


def sources() -> dict[str, Callable[[Account], Rows]]:
    return dict(sorted(_sources.items()))


@transaction.atomic
def export_person(*, account: Account, actor: Account | None) -> dict[str, Any]:
    """Returns the data for JSON, by table and column, and records the export. `actor` is None on the command line."""
    record_event(account=account, actor=actor, event=Event.DATA_EXPORTED)
    related = {relation.name: _related_rows(account, relation) for relation in relations()}
    others = {name: [_columns(row) for row in find(account)] for name, find in sources().items()}
    return {"copied_at": timezone.now(), "account": _columns(account), **related, **others}


def relations() -> list[Any]:
    """The tables that point at an account as its own, not as the author of an act."""
    own = (one for one in Account._meta.related_objects if not one.hidden and one.related_model not in ABOUT_OTHERS)
    return sorted(own, key=lambda one: one.name)


def _related_rows(account: Account, relation: Any) -> list[dict[str, Any]]:
    rows = relation.related_model._base_manager.filter(**{relation.field.name: account}).order_by("pk")
    return [_columns(row) for row in rows]


def _columns(row: models.Model) -> dict[str, Any]:
    # `request.user` is a lazy object: its type is not the model.
    table = row._meta.concrete_model
    fields = [field for field in row._meta.concrete_fields if (table, field.name) not in LEFT_OUT]
    return {field.name: field.value_from_object(row) for field in fields}
