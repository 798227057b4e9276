"""Questions that nearly every request asks: Django writes their SQL once, and each request gives other values.

Writing the SQL of an account and its locks costs ten times what PostgreSQL takes to answer it (docs/performance.md).
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from inspect import signature
from itertools import islice
from typing import Any, Generic, TypeVar

from django.db import connection, models
from django.db.models.expressions import RawSQL

Row = TypeVar("Row", bound=models.Model)


class _Given:
    """Stands in the SQL for the value that comes with each question."""

    def __init__(self, position: int) -> None:
        self.position = position


class CompiledQuery(Generic[Row]):
    """A query set of whole rows, with annotations and `select_related()` to one-to-one relations, made once from
    expressions that stand for the values: `Prepared(lambda pk: Account.objects.with_lock().filter(pk=pk)).first(42)`.

    Whatever else it says must not depend on the moment, the language or the settings.
    """

    def __init__(self, queryset: Callable[..., models.QuerySet[Row]]) -> None:
        self._queryset = queryset

    def first(self, *values: Any) -> Row | None:
        """The row of these values, one for each parameter of the query set; None when there is none."""
        sql, params = self._sql
        with connection.cursor() as cursor:
            cursor.execute(sql, [values[param.position] if isinstance(param, _Given) else param for param in params])
            found = cursor.fetchone()
        return None if found is None else self._row(iter(found))

    @cached_property
    def _asked(self) -> models.QuerySet[Row]:
        given = (RawSQL("%s", (_Given(position),)) for position in range(len(signature(self._queryset).parameters)))
        return self._queryset(*given)

    @cached_property
    def _sql(self) -> tuple[str, tuple[Any, ...]]:
        return self._asked.query.sql_with_params()

    @cached_property
    def _related(self) -> list[Any]:
        """The one-to-one relations that are read along, in the order in which Django reads them."""
        chosen = self._asked.query.select_related
        relations = self._asked.model._meta.related_objects
        return [relation for relation in relations if relation.name in chosen] if isinstance(chosen, dict) else []

    def _row(self, values: Iterator[object]) -> Row:
        """In the order in which Django selects them: the row's own columns, the annotations, then what is related."""
        row = _made(self._asked.model, values)
        for name in self._asked.query.annotation_select:
            setattr(row, name, next(values))
        for relation in self._related:
            related = _made(relation.related_model, values)
            relation.set_cached_value(row, None if related.pk is None else related)
            if related.pk is not None:
                relation.remote_field.set_cached_value(related, row)
        return row


def _made(model: type[Row], values: Iterator[object]) -> Row:
    names = [field.attname for field in model._meta.concrete_fields]
    return model.from_db(connection.alias, names, list(islice(values, len(names))))
