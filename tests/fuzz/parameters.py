"""Records which parameters a view reads, including those that no form shows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.http import QueryDict


@contextmanager
def record_parameters() -> Iterator[set[str]]:
    names: set[str] = set()

    def recording(look_up: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(query: QueryDict, name: str, *more: Any) -> Any:
            names.add(name)
            return look_up(query, name, *more)

        return recorded

    with pytest.MonkeyPatch.context() as patch:
        for method in ("__getitem__", "__contains__", "get", "getlist"):
            patch.setattr(QueryDict, method, recording(getattr(QueryDict, method)))
        yield names
