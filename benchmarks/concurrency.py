"""How throughput grows with web processes, up to the cores of the machine, and what a web process weighs.

Web processes share the cores with PostgreSQL and the load generator: the share of the cores in use tells whether the
portal or the machine was the limit. Each side is measured as shipped, and with one thread.
Environment: `BENCH_REQUESTS`, for each round (200).
"""

import os
from contextlib import ExitStack
from itertools import product

from benchmarks.accounts import wizard_pages
from benchmarks.pages import REQUESTS
from benchmarks.serving import Measured, medians, portal, visits
from benchmarks.timing import ROUNDS, up_to_the_cores
from config.env import WEB_THREADS

PAGE = "activation-mailbox"
THREADS = (WEB_THREADS, 1)
#: How many processes, of how many threads each.
Side = tuple[int, int]


def measure() -> str:
    path, cookies = wizard_pages()[PAGE]
    with ExitStack() as servers:
        sides = {
            (processes, threads): servers.enter_context(portal(processes=processes, threads=threads))
            for threads, processes in product(THREADS, up_to_the_cores())
        }
        rounds = [
            {side: server.measure(visits(path, number=REQUESTS, cookies=cookies)) for side, server in sides.items()}
            for _ in range(ROUNDS)
        ]
        memory = {side: server.memory() for side, server in sides.items()}
    measured = {side: medians([one[side] for one in rounds]) for side in sides}
    told = (describe(side, measured[side], memory[side]) for side in sides)
    return "\n".join([*told, *(scaling(threads, measured) for threads in THREADS)])


def describe(side: Side, measured: Measured, mebibytes: float) -> str:
    processes, threads = side
    return (
        f"Web processes: {processes} of {threads} thread(s): {measured.requests_per_second:,.0f}/s, "
        f"p50 {measured.p50:.0f} ms, p99 {measured.p99 / measured.p50:.1f} × p50, {cores(measured):.1f} of "
        f"{os.cpu_count()} cores used by web and PostgreSQL, {mebibytes:.0f} MiB a process"
    )


def cores(measured: Measured) -> float:
    return (measured.cpu + measured.database_cpu) / 1000 * measured.requests_per_second


def scaling(threads: int, measured: dict[Side, Measured]) -> str:
    most = up_to_the_cores()[-1]
    ratio = measured[most, threads].requests_per_second / measured[1, threads].requests_per_second
    return f"Throughput from one web process of {threads} thread(s) to {most}: {ratio:.2f} ×"
