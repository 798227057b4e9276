"""Rows that PostgreSQL reads for a query, from its plan: unlike time, they do not depend on the machine."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.db import connection
from django.test.utils import CaptureQueriesContext


class Reading(NamedTuple):
    """Rows that one node of a plan reads of one table, filtered ones included."""

    table: str
    step: str
    rows: int
    statement: str


def queries_of(ask: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        ask()
    return [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]


def readings(statement: str) -> list[Reading]:
    """Empty for a statement that writes."""
    if not statement.lstrip(" (").startswith(("SELECT", "WITH")):
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING off, FORMAT json) {statement}")
        [answer] = cursor.fetchone()
    plan = answer if isinstance(answer, list) else json.loads(answer)
    return list(readings_of(plan[0]["Plan"], statement))


def readings_of(node: dict[str, Any], statement: str) -> Iterator[Reading]:
    if "Relation Name" in node:
        filtered = sum(rows for fact, rows in node.items() if fact.startswith("Rows Removed by"))
        rows = round((node["Actual Rows"] + filtered) * node["Actual Loops"])
        yield Reading(node["Relation Name"], node["Node Type"], rows, statement)
    for below in node.get("Plans", []):
        yield from readings_of(below, statement)
