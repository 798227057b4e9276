"""CSV files that are safe to open with a spreadsheet (CWE-1236, formula injection)."""

import csv
from collections.abc import Iterable
from typing import Protocol

#: First characters of a formula; the full-width ones are from East Asian keyboards.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
#: Skipped by some spreadsheets before a formula.
SKIPPED = " \"'\u00a0"


def escape_formula(cell: str) -> str:
    """The cell, prefixed with an apostrophe when a spreadsheet would evaluate it."""
    return f"'{cell}" if cell.lstrip(SKIPPED).startswith(FORMULA_STARTS) else cell


class Writable(Protocol):
    def write(self, text: str, /) -> object: ...


def write_rows(file: Writable, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> int:
    """Write semicolon-separated rows below a header; returns how many."""
    writer = csv.writer(file, delimiter=";", lineterminator="\n")
    writer.writerow(columns)
    written = 0
    for row in rows:
        writer.writerow([escape_formula(cell) for cell in row])
        written += 1
    return written
