"""People whom a preview names, so that somebody can judge the file before anything is written (design §8)."""

from datetime import date

from django.conf import settings

from accounts.enums import Category
from accounts.models import Account
from hr_feed.parsing.rows import Person
from hr_feed.report import Example, FieldChange
from hr_feed.sync.diff import AccountDifference

#: Columns whose values may be shown; of the others, which prove who somebody is or reach them, only the name (PRV-04).
SHOWN = frozenset({"family_name", "given_name", "category", "employer", "start_date", "end_date", "language"})


def example_of_newcomer(person: Person) -> Example:
    """Somebody who would get an account."""
    return Example(person.line, person.hr_id, _full_name(person))


def example_of_change(difference: AccountDifference, person: Person, account: Account) -> Example:
    """Somebody whose account would change, and how."""
    columns = [*difference.fields, *(["recovery_address"] if difference.is_correction else [])]
    changes = tuple(_change(column, person, account) for column in columns)
    return Example(person.line, person.hr_id, account.full_name.strip() or _full_name(person), changes)


def _change(column: str, person: Person, account: Account) -> FieldChange:
    if column not in SHOWN:
        return FieldChange(column)
    return FieldChange(column, _text(column, getattr(account, column)), _text(column, getattr(person, column)))


def _text(column: str, value: str | date | None) -> str:
    """As people write it; nothing for none."""
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    if column == "category":
        return str(dict(Category.choices)[str(value)])
    if column == "language":
        return str(dict(settings.LANGUAGES)[str(value)])
    return value or ""


def _full_name(person: Person) -> str:
    return f"{person.given_name} {person.family_name}"
