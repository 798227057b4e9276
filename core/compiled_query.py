"""Querysets whose SQL is compiled once and run with other parameters at each request.

Compiling the SQL of an account and its locks costs ten times what PostgreSQL takes to run it (docs/performance.md).
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from inspect import signature
from itertools import islice
from typing import Any, Generic, TypeVar

from django.db import connection, models
from django.db.models.expressions import RawSQL

Row = TypeVar("Row", bound=models.Model)


class _Parameter:
    """Placeholder in the SQL for the parameter at that position."""

    def __init__(self, position: int) -> None:
        self.position = position


class CompiledQuery(Generic[Row]):
    """A queryset of whole rows, with annotations and `select_related()` to one-to-one relations, built once from
    expressions for its parameters: `CompiledQuery(lambda pk: Account.objects.with_lock().filter(pk=pk)).first(42)`.

    Apart from the parameters it must not depend on time, language or settings.
    """

    def __init__(self, queryset: Callable[..., models.QuerySet[Row]]) -> None:
        self._queryset = queryset

    def first(self, *values: Any) -> Row | None:
        """The first row for these parameters, or None."""
        sql, params = self._sql
        with connection.cursor() as cursor:
            cursor.execute(
                sql, [values[param.position] if isinstance(param, _Parameter) else param for param in params]
            )
            found = cursor.fetchone()
        return None if found is None else self._row(iter(found))

    @cached_property
    def _compiled(self) -> models.QuerySet[Row]:
        parameters = (
            RawSQL("%s", (_Parameter(position),)) for position in range(len(signature(self._queryset).parameters))
        )
        return self._queryset(*parameters)

    @cached_property
    def _sql(self) -> tuple[str, tuple[Any, ...]]:
        return self._compiled.query.sql_with_params()

    @cached_property
    def _related(self) -> list[Any]:
        """The one-to-one relations of `select_related()`, in Django's order of columns."""
        chosen = self._compiled.query.select_related
        relations = self._compiled.model._meta.related_objects
        return [relation for relation in relations if relation.name in chosen] if isinstance(chosen, dict) else []

    def _row(self, values: Iterator[object]) -> Row:
        """Django selects the row's own columns, then annotations, then related rows."""
        row = _instance(self._compiled.model, values)
        for name in self._compiled.query.annotation_select:
            setattr(row, name, next(values))
        for relation in self._related:
            related = _instance(relation.related_model, values)
            relation.set_cached_value(row, None if related.pk is None else related)
            if related.pk is not None:
                relation.remote_field.set_cached_value(related, row)
        return row


def _instance(model: type[Row], values: Iterator[object]) -> Row:
    names = [field.attname for field in model._meta.concrete_fields]
    return model.from_db(connection.alias, names, list(islice(values, len(names))))
