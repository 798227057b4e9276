"""How throughput grows from one web process to two, and what a web process weighs.

On a machine of two cores the second web process shares them with PostgreSQL and with the crowd that asks: besides the
ratio, the share of the cores that was left over tells whether the portal or the machine was the limit.
Environment: `BENCH_REQUESTS`, for each round (200).
"""

import os
from contextlib import ExitStack

from benchmarks.pages import REQUESTS
from benchmarks.people import wizard_pages
from benchmarks.serving import Measured, medians, portal, visits
from benchmarks.timing import ROUNDS

PAGE = "activation-mailbox"


def measure() -> str:
    path, cookies = wizard_pages()[PAGE]
    with ExitStack() as servers:
        sides = {
            "1": servers.enter_context(portal(processes=1)),
            "2": servers.enter_context(portal(processes=2)),
            "1, of one thread": servers.enter_context(portal(processes=1, threads=1)),
            "2, of one thread": servers.enter_context(portal(processes=2, threads=1)),
        }
        rounds = [
            {name: server.measure(visits(path, number=REQUESTS, cookies=cookies)) for name, server in sides.items()}
            for _ in range(ROUNDS)
        ]
        memory = {name: server.memory() for name, server in sides.items()}
    measured = {name: medians([one[name] for one in rounds]) for name in sides}
    return "\n".join([*(said(name, measured[name], memory[name]) for name in sides), grown(measured)])


def said(name: str, measured: Measured, mebibytes: float) -> str:
    return (
        f"Web processes: {name}: {measured.requests_per_second:,.0f}/s, p50 {measured.p50:.0f} ms, "
        f"p99 {measured.p99 / measured.p50:.1f} × p50, {cores(measured):.1f} of {os.cpu_count()} cores used by web and "
        f"PostgreSQL, {mebibytes:.0f} MiB a process"
    )


def cores(measured: Measured) -> float:
    return (measured.cpu + measured.database_cpu) / 1000 * measured.requests_per_second


def grown(measured: dict[str, Measured]) -> str:
    ratio = measured["2"].requests_per_second / measured["1"].requests_per_second
    return f"Throughput from one web process to two: {ratio:.2f} ×"
