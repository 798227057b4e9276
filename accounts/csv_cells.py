"""Cells of CSV files that people open with a spreadsheet: text stays text, whoever has typed it (ADM-07)."""

#: How spreadsheets recognise a formula; the wide ones are from East Asian keyboards.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
#: What some of them skip before they look.
SKIPPED = " \"'\u00a0"


def without_formula(cell: str) -> str:
    """The cell, marked as text when a spreadsheet would run it."""
    return f"'{cell}" if cell.lstrip(SKIPPED).startswith(FORMULA_STARTS) else cell
