"""Text stays text in a spreadsheet (ADM-07)."""

import csv
from io import StringIO

import pytest

from core.csv import FORMULA_STARTS, escape_formula
from tests.fuzz import N


@pytest.mark.parametrize(
    "cell",
    [
        *(N[name] for name in ("N21", "N22", "N23", "N24")),
        *(f"{start}1" for start in FORMULA_STARTS),
        *FORMULA_STARTS,
        "+33 6 12 34 56 78",
        '"=1+1"',
        "'=1+1",
        " =1+1",
        "\u00a0@SUM(1)",
        "'\"' \"-1",
    ],
)
def test_a_formula_is_marked_as_text(cell):
    assert escape_formula(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["", "Inès", "a=1", "1-2", "camille@exemple.net", "«\u00a0=\u00a0»", "'", '"', "2026-11-22"]
)
def test_anything_else_stays_as_it_is(cell):
    assert escape_formula(cell) == cell


@pytest.mark.parametrize("name", [name for name in N if isinstance(N[name], str)])
def test_what_was_written_is_read_back(name):
    """INP-08: quotes, semicolons and line breaks."""
    file = StringIO(newline="")
    csv.writer(file, delimiter=";").writerow([escape_formula(N[name]), "suivante"])
    file.seek(0)
    [[cell, following]] = csv.reader(file, delimiter=";")
    assert cell in (N[name], f"'{N[name]}")
    assert following == "suivante"
