"""HR files to import, made of rows that differ from one ordinary row."""

import csv
from collections.abc import Iterable
from datetime import date, timedelta
from io import BytesIO, StringIO
from typing import Any

from accounts.models import Account
from hr_feed.columns import COLUMNS
from hr_feed.importer import import_feed
from hr_feed.report import ImportReport

CAMILLE = dict.fromkeys(COLUMNS, "") | {
    "hr_id": "HR1",
    "family_name": "Durand",
    "given_name": "Camille",
    "birth_date": "1984-02-29",
    "category": "staff",
    "employer": "Université",
    "recovery_address": "camille.durand@exemple.net",
    "start_date": "2024-09-01",
    "language": "fr",
    "phone": "06 12 34 56 78",
}


def row(**facts: str) -> dict[str, str]:
    return {**CAMILLE, **facts}


def another(number: int, **facts: str) -> dict[str, str]:
    """Another person: no identifier, name, birth date or address in common with other numbers."""
    letters = "".join(chr(ord("a") + int(digit)) for digit in str(number))
    unlike = {"hr_id": f"HR{number}", "family_name": f"Nom{letters}", "recovery_address": f"p{number}@exemple.net"}
    birth_date = (date(1960, 1, 1) + timedelta(days=number)).isoformat()
    return {**CAMILLE, **unlike, "birth_date": birth_date, **facts}


def text_of(*rows: dict[str, str], columns: Iterable[str] = COLUMNS, delimiter: str = ";", end: str = "\n") -> str:
    file = StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
    writer.writerow(columns)
    writer.writerows([[cells.get(column, "") for column in columns] for cells in rows])
    return file.getvalue()


def stream_of(*rows: dict[str, str], **shape: Any) -> BytesIO:
    return BytesIO(text_of(*rows, **shape).encode())


def imported(*rows: dict[str, str], **options: Any) -> ImportReport:
    return import_feed(stream_of(*rows), **options)


def problems_in(report: ImportReport) -> list[tuple[int, str, str, str]]:
    return [(problem.line, problem.hr_id, problem.column, problem.severity.value) for problem in report.problems]


def imported_account(hr_id: str = "HR1") -> Account:
    return Account.objects.get(hr_id=hr_id)
