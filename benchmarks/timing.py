"""Medians of alternating rounds."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

ROUNDS = 3


def seconds(act: Callable[[], object]) -> float:
    begin = perf_counter()
    act()
    return perf_counter() - begin


def alternating(ours: Callable[[], object], reference: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of ours and of the reference, taken in turns so that both meet the same noise."""
    rounds = [(seconds(ours), seconds(reference)) for _ in range(ROUNDS)]
    return median(ours for ours, _ in rounds), median(reference for _, reference in rounds)
