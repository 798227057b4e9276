"""Several rows of one HR number are contracts of one person, who is here from the first day to the last of them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from accounts.enums import Category
from hr_feed.login_names import folded
from hr_feed.parsing.faults import AROUND_CELLS
from hr_feed.parsing.parser import Row
from hr_feed.parsing.rows import CheckedRow, Person, RowChecker
from hr_feed.report import Problem, Severity

#: Of one person, in a file that is not hostile.
MOST_CONTRACTS = 100
LINES_NAMED = 5
NAMES = ("family_name", "given_name")
#: Facts that every row of a person repeats, or leaves out where they are optional.
SAME_IN_EACH = (*NAMES, "birth_date", "recovery_address", "institutional_address", "ine")
FROM_ANY = ("institutional_address", "ine", "phone", "language")
#: From the narrowest rights to the widest.
CATEGORIES = (Category.STUDENT, Category.HOSTED, Category.STAFF)


def hr_ids_of_several_rows(rows: Iterable[Row]) -> dict[str, int]:
    """With their number of rows."""
    numbers = Counter(map(_hr_id, rows))
    return {hr_id: number for hr_id, number in numbers.items() if hr_id and number > 1}


def checked_people(rows: Iterable[Row], repeated: dict[str, int], today: date) -> Iterator[CheckedRow]:
    """One for each row, in their order but for the rows of one person, which come together at the last of them."""
    checker = RowChecker()
    waiting: dict[str, list[CheckedRow]] = {}
    for row in rows:
        hr_id = _hr_id(row)
        checked = checker.check(row)
        if hr_id not in repeated:
            yield checked
        elif repeated[hr_id] > MOST_CONTRACTS:
            yield _refused(checked, hr_id, "hr_id", _("Ce numéro a plus de 100 lignes. Vérifiez le fichier"))
        else:
            contracts = waiting.setdefault(hr_id, [])
            contracts.append(checked)
            if len(contracts) == repeated[hr_id]:
                yield from _together(hr_id, waiting.pop(hr_id), today)


def _hr_id(row: Row) -> str:
    return row.cells.get("hr_id", "").strip(AROUND_CELLS)


def _together(hr_id: str, contracts: list[CheckedRow], today: date) -> Iterator[CheckedRow]:
    people = [one.person for one in contracts if one.person]
    if len(people) < len(contracts):
        [line, *_others] = [one.line for one in contracts if one.person is None]
        reason = _("La ligne %(line)s de la même personne est refusée\N{NO-BREAK SPACE}: corrigez-la ou retirez-la")
        yield from (_refused(one, hr_id, "hr_id", reason % {"line": line}) for one in contracts)
    elif columns := [column for column in SAME_IN_EACH if len(_stated(people, column)) > 1]:
        lines = ", ".join(str(one.line) for one in contracts[:LINES_NAMED])
        reason = _("Les lignes %(lines)s du même numéro se contredisent. Corrigez-les ou séparez les personnes")
        yield from (_refused(one, hr_id, columns[0], reason % {"lines": lines}) for one in contracts)
    else:
        whole = _whole(people, today)
        yield from (_part(one, whole) for one in contracts)


def _refused(row: CheckedRow, hr_id: str, column: str, reason: str) -> CheckedRow:
    """A row that has a fault of its own is refused for that one."""
    if row.person is None:
        return row
    return CheckedRow(row.line, None, [*row.problems, Problem(row.line, hr_id, column, Severity.ERROR, reason)])


def _part(row: CheckedRow, whole: Person) -> CheckedRow:
    if row.line == whole.line:
        return replace(row, person=whole)
    return replace(row, person=None, is_merged=True)


def _stated(people: list[Person], column: str) -> set[Any]:
    values = {person.values[column] for person in people}
    return {folded(value) for value in values} if column in NAMES else values - {"", None}


def _whole(people: list[Person], today: date) -> Person:
    in_force = max(people, key=lambda person: _weight(person, today))
    ends = [person.values["end_date"] for person in people]
    period = {
        "start_date": min(person.values["start_date"] for person in people),
        "end_date": None if None in ends else max(ends),
    }
    found = {column: _first_stated(column, [in_force, *people]) for column in FROM_ANY}
    return replace(in_force, values={**in_force.values, **period, **found})


def _weight(person: Person, today: date) -> tuple[bool, int, date]:
    """The contract in force before others; of several, the one with the widest rights, then the newest."""
    start, end = person.values["start_date"], person.values["end_date"]
    is_in_force = start <= today and (end is None or end >= today)
    return is_in_force, CATEGORIES.index(person.values["category"]) if is_in_force else 0, start


def _first_stated(column: str, people: list[Person]) -> Any:
    return next((person.values[column] for person in people if person.values[column]), people[0].values[column])
