"""Which parameters a page reads, noted while it reads them: those that it does not show are found as well."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.http import QueryDict


@contextmanager
def parameters_read() -> Iterator[set[str]]:
    """The names that are looked up in queries and in what forms sent, from here on."""
    names: set[str] = set()

    def noting(look_up: Callable[..., Any]) -> Callable[..., Any]:
        def noted(query: QueryDict, name: str, *more: Any) -> Any:
            names.add(name)
            return look_up(query, name, *more)

        return noted

    with pytest.MonkeyPatch.context() as patch:
        for method in ("__getitem__", "__contains__", "get", "getlist"):
            patch.setattr(QueryDict, method, noting(getattr(QueryDict, method)))
        yield names
