"""The table of docs/security.md: each check has existing tests that carry its id."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

from tests.project import PROJECT

#: Checks in each group of the list.
CHECKS = {"TOK": 12, "ENU": 8, "SES": 8, "PWD": 8, "ADM": 8, "HLP": 8, "FWD": 6, "EML": 6, "PRV": 7, "HDR": 5}
CHECKS |= {"INP": 8, "LOG": 4, "AVL": 9, "SUP": 4, "A11Y": 9}
ID = re.compile(rf"\b(?:{'|'.join(CHECKS)})-\d\d\b")
RANGE = re.compile(rf"\b({'|'.join(CHECKS)})-(\d\d) to (?:\1-)?(\d\d)\b")
ROW = re.compile(rf"^\| ({ID.pattern}) \| (.+?) \| (.+) \|$", re.MULTILINE)


def table() -> dict[str, list[str]]:
    text = (PROJECT / "docs/security.md").read_text().partition("## Where it is tested")[2]
    rows = ROW.findall(text)
    assert [check for check, times in Counter(check for check, _, _ in rows).items() if times > 1] == []
    return {check: re.findall(r"`([^`]+)`", tests) for check, _, tests in rows}


def ids_in(text: str) -> set[str]:
    """Single ids and ranges such as « HLP-01 to HLP-06 »."""
    found = set(ID.findall(text))
    for group, first, last in RANGE.findall(text):
        found |= {f"{group}-{number:02}" for number in range(int(first), int(last) + 1)}
    return found


@cache
def parsed(file: str) -> ast.Module:
    return ast.parse((PROJECT / file).read_text())


def carried_by(test: str) -> set[str] | None:
    """The ids in the docstrings of a test, its class and its module; None without such a test."""
    file, *names = test.split("::")
    if not (PROJECT / file).is_file() or not Path(file).name.startswith("test_"):
        return None
    node: ast.AST = parsed(file)
    found = ids_in(ast.get_docstring(node) or "")
    for name in names:
        inside = [each for each in node.body if getattr(each, "name", "") == name and name.lower().startswith("test")]
        if not inside:
            return None
        [node] = inside
        found |= ids_in(ast.get_docstring(node) or "")
    # A class or a module includes its tests.
    for each in ast.walk(node):
        if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name.lower().startswith("test"):
            found |= ids_in(ast.get_docstring(each) or "")
    return found


def test_every_check_has_tests():
    rows = table()
    assert set(rows) == {
        f"{group}-{number:02}" for group, number_of in CHECKS.items() for number in range(1, number_of + 1)
    }
    assert [check for check, tests in rows.items() if not tests] == []


def test_named_tests_exist_and_carry_the_id():
    wrong = []
    for check, tests in table().items():
        for test in tests:
            carried = carried_by(test)
            if carried is None:
                wrong.append(f"{check}: there is no {test}")
            elif check not in carried:
                wrong.append(f"{check}: not in the words of {test}")
    assert wrong == []


def test_tests_name_known_checks_only():
    listed = set(table())
    strangers = {
        f"{path.relative_to(PROJECT)}: {found}"
        for path in (PROJECT / "tests").rglob("*.py")
        for found in set(ID.findall(path.read_text())) - listed
    }
    assert strangers == set()
