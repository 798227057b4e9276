"""HR files that did harm elsewhere: the cases are in `cases.toml`."""

import tomllib
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import override

from accounts.models import Account
from hr_feed.columns import COLUMNS
from hr_feed.importer import import_feed
from hr_feed.parsing.parser import UnreadableFile
from outbox.models import Message

pytestmark = pytest.mark.django_db

CASES = tomllib.loads(Path(__file__).with_name("cases.toml").read_text())
LINE = "{id};{family};{given};{born};{category};{employer};{address};{start};{end};fr;{login};{ine};{phone}\n"
ORDINARY = {"id": "C1", "given": "Jean", "born": "1984-02-29", "category": "staff", "start": "2024-09-01"}
ORDINARY |= {"employer": "Université", **dict.fromkeys(("end", "login", "ine", "phone"), "")}
STORED = ("given_name", "family_name", "uid", "start_date", "end_date", "recovery_address", "phone", "category")


def line(facts: dict[str, str]) -> str:
    cells = ORDINARY | facts
    number = int(cells["id"][1]) if cells["id"][1:].isdecimal() else 0
    return LINE.format(**{"family": f"Cas{chr(ord('a') + number)}", "address": f"c{number}@exemple.net"} | cells)


def content_of(case: dict[str, Any], rows: str = "rows") -> BytesIO:
    columns = case.get("each", {})
    each = [
        {"id": f"E{number}", "family": f"Cas{chr(ord('a') + number)}", "address": f"e{number}@exemple.net"}
        | dict(zip(columns, cells, strict=True))
        for number, cells in enumerate(zip_longest(*columns.values(), fillvalue=""))
    ]
    text = ";".join(COLUMNS) + "\n" + "".join(map(line, [*case.get(rows, ()), *each]))
    for old, new in case.get("replaced", ()):
        text = text.replace(old, new)
    return BytesIO(text.encode(case.get("encoding", "utf-8")))


@pytest.mark.parametrize("name", CASES)
def test_is_imported_or_said_by_line(name):
    """ADM-08: in a preview as in the import, in French and in English."""
    case = CASES[name]
    if "before" in case:
        assert import_feed(content_of(case, "before")).problems == []
    if "refused" in case:
        with pytest.raises(UnreadableFile, match=case["refused"]):
            import_feed(content_of(case))
    else:
        with override("en"):
            english = {problem.reason for problem in import_feed(content_of(case), dry_run=True).problems}
        report = import_feed(content_of(case), dry_run=True)
        assert report == import_feed(content_of(case))
        found = {f"{problem.line} {problem.column}": problem.reason for problem in report.problems}
        assert found.keys() == case.get("said", {}).keys()
        assert [found[place] for place, reason in case.get("said", {}).items() if reason not in found[place]] == []
        assert english.isdisjoint(found.values())
    rows = [" ".join(map(str, row)) for row in Account.objects.order_by("pk").values_list(*STORED)]
    assert [row for row, words in zip(rows, case["stored"], strict=True) if words not in row] == []
    assert Message.objects.count() == len(rows)
