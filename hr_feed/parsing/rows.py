"""Checks the rows of a file. Reports every problem of a row, not only the first."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.email_addresses import (
    LONGEST_ADDRESS,
    LONGEST_LOCAL_PART,
    InvalidAddress,
    suggested_correction,
)
from hr_feed.columns import COLUMNS
from hr_feed.parsing import validators
from hr_feed.parsing.faults import AROUND_CELLS, InvalidCell, refuse_accidents
from hr_feed.parsing.parser import Row
from hr_feed.report import Problem, Severity

#: Validated values that are kept for one column.
CACHED_VALUES = 5_000
#: Local parts that are their own canonical spelling.
PLAIN_LOCAL_PART = re.compile(r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*")

ENDS_BEFORE_START = gettext_lazy("Le départ est avant l’arrivée")
NO_NAME = gettext_lazy("Donnez le nom, le prénom, ou les deux")


@dataclass(frozen=True, slots=True)
class Person:
    """A valid row; `values` are in the order of `COLUMNS`."""

    line: int
    values: dict[str, Any]
    #: An earlier row has the same recovery address.
    shares_recovery_address: bool

    @property
    def hr_id(self) -> str:
        return str(self.values["hr_id"])

    @property
    def given_name(self) -> str:
        return str(self.values["given_name"])

    @property
    def family_name(self) -> str:
        return str(self.values["family_name"])

    @property
    def full_name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def recovery_address(self) -> str:
        return str(self.values["recovery_address"])

    @property
    def institutional_address(self) -> str:
        """Empty: the import makes one from the names."""
        return str(self.values["institutional_address"])


@dataclass(frozen=True, slots=True)
class CheckedRow:
    line: int
    person: Person | None
    problems: list[Problem]
    #: Part of a person whose other row has the whole.
    is_merged: bool = False

    @property
    def is_refused(self) -> bool:
        return self.person is None and not self.is_merged


@dataclass(frozen=True, slots=True)
class _First:
    """The first row with a value that people should not share."""

    line: int
    hr_id: str


class RowChecker:
    """Checks the rows of one file, and the values that only one row may have."""

    def __init__(self) -> None:
        self._domains = _Domains()
        self._validators = {
            name: lru_cache(CACHED_VALUES)(_without_accidents(column.validate))
            if column.cached
            else _without_accidents(column.validate)
            for name, column in COLUMNS.items()
        }
        self._validators["recovery_address"] = _without_accidents(self._domains.recovery_address)
        self._recovery_addresses: dict[str, _First] = {}
        self._institutional_addresses: dict[str, _First] = {}

    def check(self, row: Row) -> CheckedRow:
        if row.fault:
            return CheckedRow(row.line, None, [Problem(row.line, "", "", Severity.ERROR, str(row.fault))])
        values, faults, ignored = self._values(row)
        faults += [] if faults else self._conflicts(values)
        if faults:
            return CheckedRow(row.line, None, _problems(row.line, values.get("hr_id", ""), Severity.ERROR, faults))
        sharing = self._sharing(values)
        found = [*ignored, *self._warnings(values, sharing)]
        person = Person(row.line, values, sharing is not None)
        self._remember(person)
        return CheckedRow(row.line, person, _problems(row.line, values["hr_id"], Severity.WARNING, found))

    def _values(self, row: Row) -> tuple[dict[str, Any], list[tuple[str, str]], list[tuple[str, str]]]:
        """Values, faults that refuse the row, and cells that are left out."""
        values: dict[str, Any] = {}
        faults: list[tuple[str, str]] = []
        ignored: list[tuple[str, str]] = []
        for column, validate in self._validators.items():
            cell = row.cells.get(column, "").strip(AROUND_CELLS)
            try:
                values[column] = validate(cell)
            except (InvalidCell, InvalidAddress) as refusal:
                if COLUMNS[column].helpful:
                    values[column] = None
                    ignored.append((column, _("%(reason)s. Le reste de la ligne est importé") % {"reason": refusal}))
                else:
                    faults.append((column, str(refusal)))
        return values, faults, ignored

    def _conflicts(self, values: dict[str, Any]) -> list[tuple[str, str]]:
        found = []
        if not values["family_name"] and not values["given_name"]:
            found.append(("family_name", str(NO_NAME)))
        if values["end_date"] and values["end_date"] < values["start_date"]:
            found.append(("end_date", str(ENDS_BEFORE_START)))
        first = self._institutional_addresses.get(values["institutional_address"])
        if first and first.hr_id != values["hr_id"]:
            reason = _("La même adresse est à la ligne %(line)s, pour une autre personne") % {"line": first.line}
            found.append(("institutional_address", reason))
        return found

    def _warnings(self, values: dict[str, Any], sharing: _First | None) -> Iterator[tuple[str, str]]:
        if sharing:
            reason = _("La même adresse de secours est à la ligne %(line)s") % {"line": sharing.line}
            yield "recovery_address", reason
        if domain := self._domains.likely_domain(values["recovery_address"]):
            yield "recovery_address", _("Peut-être une faute de frappe, pour %(domain)s") % {"domain": domain}

    def _sharing(self, values: dict[str, Any]) -> _First | None:
        """An earlier row of another person with the same recovery address, whatever the case."""
        first = self._recovery_addresses.get(values["recovery_address"].lower())
        return first if first and first.hr_id != values["hr_id"] else None

    def _remember(self, person: Person) -> None:
        first = _First(person.line, person.hr_id)
        self._recovery_addresses.setdefault(person.recovery_address.lower(), first)
        if person.institutional_address:
            self._institutional_addresses.setdefault(person.institutional_address, first)


def _without_accidents(validate: Callable[[str], Any]) -> Callable[[str], Any]:
    def validated(cell: str) -> Any:
        # Nearly every cell is ASCII: a call for each would cost a tenth of the time.
        if not cell.isascii() or cell[:1] == "#":
            refuse_accidents(cell)
        return validate(cell)

    return validated


class _Domains:
    """Remembers the domains of recovery addresses: most people share a few, and IDNA is slow."""

    def __init__(self) -> None:
        self._accepted: set[str] = set()
        self._likely: dict[str, str] = {}

    def recovery_address(self, raw: str) -> str:
        if self._is_plain(raw):
            return raw
        address = validators.recovery_address(raw)
        self._accepted.add(_domain(address))
        return address

    def _is_plain(self, raw: str) -> bool:
        local_part, _at_sign, domain = raw.partition("@")
        if domain not in self._accepted or len(raw) > LONGEST_ADDRESS or len(local_part) > LONGEST_LOCAL_PART:
            return False
        return PLAIN_LOCAL_PART.fullmatch(local_part) is not None

    def likely_domain(self, address: str) -> str:
        """The well-known domain that this one resembles, or ""."""
        domain = _domain(address)
        if domain not in self._likely:
            self._likely[domain] = _domain(suggested_correction(f"nom@{domain}") or "")
        return self._likely[domain]


def _domain(address: str) -> str:
    return address.partition("@")[2]


def _problems(line: int, hr_id: str, severity: Severity, found: Iterable[tuple[str, str]]) -> list[Problem]:
    return [Problem(line, hr_id, column, severity, reason) for column, reason in found]
