"""Text stays text in a spreadsheet (ADM-07)."""

import csv
from io import StringIO

from core.csv import FORMULA_STARTS, escape_formula
from tests.fuzz import N


def test_formulas_are_marked_as_text_and_nothing_else():
    formulas = [*(N[name] for name in ("N21", "N22", "N23", "N24")), *(f"{start}1" for start in FORMULA_STARTS)]
    formulas += [*FORMULA_STARTS, "+33 6 12 34 56 78", '"=1+1"', "'=1+1", " =1+1", "\u00a0@SUM(1)", "'\"' \"-1"]
    for cell in formulas:
        assert escape_formula(cell) == f"'{cell}"
    for cell in ("", "Inès", "a=1", "1-2", "camille@exemple.net", "«\u00a0=\u00a0»", "'", '"', "2026-11-22"):
        assert escape_formula(cell) == cell


def test_what_was_written_is_read_back():
    """INP-08: quotes, semicolons and line breaks."""
    for value in (value for value in N.values() if isinstance(value, str)):
        file = StringIO(newline="")
        csv.writer(file, delimiter=";").writerow([escape_formula(value), "suivante"])
        file.seek(0)
        [[cell, following]] = csv.reader(file, delimiter=";")
        assert cell in (value, f"'{value}")
        assert following == "suivante"
