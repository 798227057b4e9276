"""Calls at the same instant, each with its own database connection."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

from django.db import connection


def together(*acts: Callable[[], Any]) -> list[Any]:
    barrier = Barrier(len(acts))

    def act_when_all_are_ready(act: Callable[[], Any]) -> Any:
        try:
            barrier.wait(timeout=10)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(act_when_all_are_ready, acts))


def attempted_together(*acts: Callable[[], Any]) -> list[Any]:
    return together(*(partial(attempt, act) for act in acts))


def attempt(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as raised:
        return raised


def wait_until_blocked() -> None:
    """Return once another connection waits for a lock of this one."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    with connection.cursor() as cursor:
        for _ in range(500):
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("No connection waits")
