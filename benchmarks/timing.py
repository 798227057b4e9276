"""How often each side has its turn, how long an act takes, and how many processes are tried."""

import os
from collections.abc import Callable
from time import perf_counter

#: Ours and the reference in turns, so that both meet the same noise; what is told is the median.
ROUNDS = 3


def seconds(act: Callable[[], object]) -> float:
    begin = perf_counter()
    act()
    return perf_counter() - begin


def up_to_the_cores() -> list[int]:
    """How many processes: 1, 2, 4 and so on."""
    return [2**doublings for doublings in range((os.cpu_count() or 1).bit_length())]
