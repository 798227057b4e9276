"""The columns of the HR file. The parser, the row checks, the SQL, the report and the preview derive from `COLUMNS`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hr_feed.parsing import validators


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file, stored in the field of `Account` that has the same name."""

    name: str
    #: Returns the value to store, or raises InvalidCell or InvalidAddress.
    validate: Callable[[str], Any]
    sql_type: str = "text"
    #: Files must have it. A file without an optional column leaves the accounts' values unchanged.
    required: bool = False
    #: The preview shows its values. Identifiers and contact details are only named there.
    shown: bool = False
    #: Many people share a value: keep the results of the validator.
    cached: bool = False
    #: False: `sync` has its own rules for known accounts.
    updated: bool = True
    #: The account owner's own choice once the account is activated.
    only_before_activation: bool = False
    #: What the validator refuses is a warning: the person is imported, and keeps the value of before.
    helpful: bool = False
    #: Stored in a new account when the file gives none.
    default: str | None = None

    @property
    def initial_value(self) -> str:
        """SQL: the value in a new account."""
        value = f"feed.{self.name}"
        return value if self.default is None else f"coalesce({value}, '{self.default}')"

    @property
    def new_value(self) -> str:
        """SQL: the value that a known account is to have. Takes the parameters of `columns_present`."""
        old, new = f"account.{self.name}", f"feed.{self.name}"
        if self.only_before_activation:
            return f"CASE WHEN account.activated_at IS NULL THEN coalesce({new}, {old}) ELSE {old} END"
        if self.helpful:
            new = f"coalesce({new}, {old})"
        return new if self.required else f"CASE WHEN %(has_{self.name})s THEN {new} ELSE {old} END"


COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("hr_id", validators.hr_id, required=True, updated=False),
        Column("family_name", validators.name, required=True, shown=True, cached=True),
        Column("given_name", validators.name, required=True, shown=True, cached=True),
        Column("birth_date", validators.birth_date, "date", required=True, cached=True),
        Column("category", validators.category, required=True, shown=True, cached=True),
        Column("employer", validators.line, required=True, shown=True, cached=True),
        Column("recovery_address", validators.recovery_address, required=True, updated=False),
        Column("start_date", validators.start_date, "date", required=True, shown=True, cached=True),
        Column("end_date", validators.end_date, "date", shown=True, cached=True),
        Column(
            "language",
            validators.language,
            shown=True,
            cached=True,
            only_before_activation=True,
            helpful=True,
            default="fr",
        ),
        Column("institutional_address", validators.institutional_address, updated=False),
        Column("ine", validators.ine, helpful=True, default=""),
        Column("phone", validators.phone, helpful=True, default=""),
    )
}


def required_columns() -> list[str]:
    return [column.name for column in COLUMNS.values() if column.required]


def optional_columns() -> list[str]:
    return [column.name for column in COLUMNS.values() if not column.required]


def updated_columns() -> list[Column]:
    return [column for column in COLUMNS.values() if column.updated]


def columns_present(present: frozenset[str]) -> dict[str, bool]:
    """Parameters for `Column.new_value`: which optional columns the file has."""
    return {f"has_{name}": name in present for name in optional_columns()}
