"""CSV files that people may open with a spreadsheet: text stays text, whoever has typed it (ADM-07)."""

import csv
from collections.abc import Iterable
from typing import Protocol

#: How spreadsheets recognise a formula; the wide ones are from East Asian keyboards.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
#: What some of them skip before they look.
SKIPPED = " \"'\u00a0"


def escape_formula(cell: str) -> str:
    """The cell, marked as text when a spreadsheet would run it."""
    return f"'{cell}" if cell.lstrip(SKIPPED).startswith(FORMULA_STARTS) else cell


class Writable(Protocol):
    """What a list is written to."""

    def write(self, text: str, /) -> object:
        """Add the text."""


def write_rows(file: Writable, columns: Iterable[str], lines: Iterable[Iterable[str]]) -> int:
    """Write a list that another system reads, with semicolons; answer how many lines it has below the columns."""
    writer = csv.writer(file, delimiter=";", lineterminator="\n")
    writer.writerow(columns)
    written = 0
    for line in lines:
        writer.writerow([escape_formula(cell) for cell in line])
        written += 1
    return written
