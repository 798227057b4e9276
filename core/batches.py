from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Like `itertools.batched` of Python 3.12, in lists."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
