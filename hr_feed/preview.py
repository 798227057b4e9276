"""Examples of new and changed people, shown to an agent before an import."""

from datetime import date
from typing import Any

from accounts.models import Account
from hr_feed.columns import COLUMNS
from hr_feed.parsing.rows import Person
from hr_feed.report import Example, FieldChange
from hr_feed.sync.diff import AccountDifference


def example_of_newcomer(person: Person) -> Example:
    return Example(person.line, person.hr_id, person.full_name)


def example_of_change(difference: AccountDifference, person: Person, account: Account) -> Example:
    columns = [*difference.fields, *(["recovery_address"] if difference.is_correction else [])]
    changes = tuple(_change(column, person, account) for column in columns)
    return Example(person.line, person.hr_id, account.full_name.strip() or person.full_name, changes)


def _change(column: str, person: Person, account: Account) -> FieldChange:
    if not COLUMNS[column].shown:
        return FieldChange(column)
    return FieldChange(column, _text(column, getattr(account, column)), _text(column, person.values[column]))


def _text(column: str, value: Any) -> str:
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    labels = dict(Account._meta.get_field(column).flatchoices)  # type: ignore[union-attr]
    return str(labels.get(value, value or ""))
