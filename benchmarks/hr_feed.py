"""The HR feed against `update_or_create` per row, which makes the account alone: no check, no journal, no mail."""

from io import BytesIO
from itertools import count

from accounts.hr_feed import import_feed
from accounts.models import Account
from benchmarks.timing import alternating

ROWS = 5_000
REFERENCE_ROWS = 500
HEADER = "hr_id;family_name;given_name;birth_date;category;employer;recovery_address;start_date\n"
numbers = count(1)


def measure() -> str:
    ours, reference = alternating(import_new_people, update_or_create_people)
    ratio = (ROWS / ours) / (REFERENCE_ROWS / reference)
    return (
        f"HR feed, first time: {ROWS / ours:,.0f} rows/s with every check, journal and mail; "
        f"update_or_create: {REFERENCE_ROWS / reference:,.0f} rows/s; ratio {ratio:.1f}"
    )


def import_new_people() -> None:
    rows = (f"B{n};{name(n)};Prénom;1980-01-02;staff;Université;p{n}@exemple.net;2026-09-01\n" for n in take(ROWS))
    report = import_feed(BytesIO((HEADER + "".join(rows)).encode()))
    assert report.created == ROWS, [str(problem.reason) for problem in report.problems[:3]]


def update_or_create_people() -> None:
    for n in take(REFERENCE_ROWS):
        facts = {
            "uid": f"u{n}",
            "institutional_address": f"u{n}@univ-exemple.fr",
            "given_name": "Prénom",
            "family_name": f"Nom{n}",
            "category": "staff",
            "recovery_address": f"p{n}@exemple.net",
        }
        Account.objects.update_or_create(hr_id=f"R{n}", defaults=facts)


def name(number: int) -> str:
    """A family name of letters for each number."""
    return "".join("abcdefghij"[int(figure)] for figure in str(number)).capitalize()


def take(size: int) -> list[int]:
    return [next(numbers) for _ in range(size)]
