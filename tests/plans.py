"""How much PostgreSQL reads to answer: the plans of the queries that a page has asked, on tables of a real size.

Time depends on the machine, the rows that a plan reads do not.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows that one step of a plan reads of one table, those that it throws away included."""

    table: str
    step: str
    rows: int
    statement: str

    def __str__(self) -> str:
        return f"{self.step} reads {self.rows} rows of {self.table} for {self.statement[:600]}"


def queries_of(ask: Callable[[], object]) -> list[str]:
    """What the database is asked while `ask` runs."""
    with CaptureQueriesContext(connection) as captured:
        ask()
    return [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]


def readings(statement: str) -> list[Reading]:
    """What a query reads, measured; empty for what changes something."""
    if not statement.lstrip(" (").startswith(("SELECT", "WITH")):
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING off, FORMAT json) {statement}")
        [answer] = cursor.fetchone()
    plan = answer if isinstance(answer, list) else json.loads(answer)
    return [
        Reading(node["Relation Name"], node["Node Type"], rows_of(node), statement)
        for node in nodes(plan[0]["Plan"])
        if "Relation Name" in node
    ]


def nodes(node: Node) -> Iterator[Node]:
    """Each step of a plan that was taken."""
    yield node
    for below in node.get("Plans", []):
        yield from nodes(below)


def rows_of(node: Node) -> int:
    """All that a step has looked at: kept or not, each time that it ran."""
    thrown_away = sum(rows for fact, rows in node.items() if fact.startswith("Rows Removed by"))
    return round((node["Actual Rows"] + thrown_away) * node["Actual Loops"])
