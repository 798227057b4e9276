"""Checks the rows of a file. Reports every problem of a row, not only the first."""

import re
from collections.abc import Iterable, Iterator
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
from core.text import BLANKS
from hr_feed.columns import COLUMNS
from hr_feed.parsing import validators
from hr_feed.parsing.parser import Row
from hr_feed.report import Problem, Severity

#: Validated values that are kept for one column.
CACHED_VALUES = 5_000
#: Local parts that are their own canonical spelling.
PLAIN_LOCAL_PART = re.compile(r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*")

ENDS_BEFORE_START = gettext_lazy("Le départ est avant l’arrivée")


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
        return f"{self.given_name} {self.family_name}"

    @property
    def recovery_address(self) -> str:
        return str(self.values["recovery_address"])

    @property
    def institutional_address(self) -> str:
        """Empty: the import makes one from the names."""
        return str(self.values["institutional_address"])


@dataclass(frozen=True, slots=True)
class CheckedRow:
    person: Person | None
    problems: list[Problem]


class RowChecker:
    """Checks the rows of one file, and the values that only one row may have."""

    def __init__(self) -> None:
        self._domains = _Domains()
        self._validators = {
            name: lru_cache(CACHED_VALUES)(column.validate) if column.cached else column.validate
            for name, column in COLUMNS.items()
        }
        self._validators["recovery_address"] = self._domains.recovery_address
        self._line_of_hr_id: dict[str, int] = {}
        self._line_of_recovery_address: dict[str, int] = {}
        self._institutional_addresses: set[str] = set()

    def check(self, row: Row) -> CheckedRow:
        if row.fault:
            return CheckedRow(None, [Problem(row.line, "", "", Severity.ERROR, str(row.fault))])
        values, faults = self._values(row)
        faults += [] if faults else self._conflicts(values)
        if faults:
            return CheckedRow(None, _problems(row.line, values.get("hr_id", ""), Severity.ERROR, faults))
        warnings = _problems(row.line, values["hr_id"], Severity.WARNING, self._warnings(values))
        person = Person(row.line, values, self._is_shared(values))
        self._remember(person)
        return CheckedRow(person, warnings)

    def _values(self, row: Row) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        values: dict[str, Any] = {}
        faults: list[tuple[str, str]] = []
        for column, validate in self._validators.items():
            try:
                values[column] = validate(row.cells.get(column, "").strip(BLANKS))
            except validators.InvalidCell as refusal:
                faults.append((column, str(refusal.reason)))
            except InvalidAddress as refusal:
                faults.append((column, str(refusal.message)))
        return values, faults

    def _conflicts(self, values: dict[str, Any]) -> list[tuple[str, str]]:
        found = []
        if first_line := self._line_of_hr_id.get(values["hr_id"]):
            found.append(("hr_id", _("Déjà à la ligne %(line)s") % {"line": first_line}))
        if values["end_date"] and values["end_date"] < values["start_date"]:
            found.append(("end_date", str(ENDS_BEFORE_START)))
        if values["institutional_address"] in self._institutional_addresses:
            found.append(("institutional_address", _("Déjà donnée à quelqu’un plus haut dans le fichier")))
        return found

    def _warnings(self, values: dict[str, Any]) -> Iterator[tuple[str, str]]:
        if self._is_shared(values):
            line = self._line_of_recovery_address[values["recovery_address"]]
            yield "recovery_address", _("La même adresse de secours est à la ligne %(line)s") % {"line": line}
        if domain := self._domains.likely_domain(values["recovery_address"]):
            yield "recovery_address", _("Peut-être une faute de frappe, pour %(domain)s") % {"domain": domain}

    def _is_shared(self, values: dict[str, Any]) -> bool:
        return values["recovery_address"] in self._line_of_recovery_address

    def _remember(self, person: Person) -> None:
        self._line_of_hr_id[person.hr_id] = person.line
        self._line_of_recovery_address.setdefault(person.recovery_address, person.line)
        if person.institutional_address:
            self._institutional_addresses.add(person.institutional_address)


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
