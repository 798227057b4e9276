"""The table of docs/security.md: each check has existing tests that carry its id."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.project import PROJECT

#: Checks in each group of the list.
CHECKS = {"TOK": 12, "ENU": 8, "SES": 8, "PWD": 8, "ADM": 8, "HLP": 8, "FWD": 6, "EML": 6, "PRV": 7, "HDR": 5}
CHECKS |= {"INP": 8, "LOG": 4, "AVL": 9, "SUP": 4, "A11Y": 9}
LISTED = {f"{group}-{number:02}" for group, most in CHECKS.items() for number in range(1, most + 1)}
ID = re.compile(rf"\b(?:{'|'.join(CHECKS)})-\d\d\b")
RANGE = re.compile(rf"\b({'|'.join(CHECKS)})-(\d\d) to (?:\1-)?(\d\d)\b")
ROW = re.compile(rf"^\| ({ID.pattern}) \| (.+?) \| (.+) \|$", re.MULTILINE)


def ids_in(node: ast.AST) -> set[str]:
    """Single ids of a docstring, and ranges such as « HLP-01 to HLP-06 »."""
    text = ast.get_docstring(node) or ""
    ranges = RANGE.findall(text)
    numbers = {f"{group}-{number:02}" for group, a, b in ranges for number in range(int(a), int(b) + 1)}
    return numbers | set(ID.findall(text))


@cache
def parsed(file: str) -> ast.Module:
    return ast.parse((PROJECT / file).read_text())


def carried_by(test: str) -> set[str] | None:
    """The ids in the docstrings of a test, its class and its module; None without such a test."""
    file, *names = test.split("::")
    if not (PROJECT / file).is_file() or not Path(file).name.startswith("test_"):
        return None
    node: ast.AST = parsed(file)
    found = ids_in(node)
    for name in names:
        inside = [each for each in node.body if getattr(each, "name", "") == name and name.lower().startswith("test")]
        if not inside:
            return None
        [node] = inside
        found |= ids_in(node)
    # A class or a module includes its tests.
    for each in ast.walk(node):
        if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name.lower().startswith("test"):
            found |= ids_in(each)
    return found


def test_every_check_has_existing_tests_that_carry_its_id():
    rows = ROW.findall((PROJECT / "docs/security.md").read_text().partition("## Where it is tested")[2])
    assert sorted(check for check, _, _ in rows) == sorted(LISTED)
    wrong = []
    for check, _name, cell in rows:
        tests = re.findall(r"`([^`]+)`", cell)
        wrong += [] if tests else [f"{check} has no test"]
        wrong += [f"{check}: there is no {test}" for test in tests if carried_by(test) is None]
        wrong += [f"{check}: not in the words of {test}" for test in tests if check not in (carried_by(test) or LISTED)]
    assert wrong == []


def test_tests_name_known_checks_only():
    named = {found for path in (PROJECT / "tests").rglob("*.py") for found in ID.findall(path.read_text())}
    assert named - LISTED == set()
