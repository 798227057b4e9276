"""From a row of text to a person HR knows, or to the reasons why not. Checks everything, stops at nothing."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, partial
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.email_addresses import (
    LONGEST_ADDRESS,
    LONGEST_LOCAL_PART,
    InvalidAddress,
    external_address,
    suggested_correction,
)
from core.text import BLANKS
from hr_feed.parsing import validators as cells
from hr_feed.parsing.parser import Row
from hr_feed.parsing.validators import InvalidCell
from hr_feed.report import Problem, Severity

#: Values of one column that are not checked again: none is longer than a line of text may be (`core.text`).
MOST_REMEMBERED = 5_000
#: What stands before the @ sign of nearly every address, and is its own canonical spelling.
PLAIN_LOCAL_PART = re.compile(r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*")

ENDS_BEFORE_START = gettext_lazy("Le départ est avant l’arrivée")


class Person(NamedTuple):
    """A good row. `language` None: HR does not say; `institutional_address` "": to be made."""

    line: int
    hr_id: str
    family_name: str
    given_name: str
    birth_date: date
    category: str
    employer: str
    recovery_address: str
    start_date: date
    end_date: date | None
    language: str | None
    institutional_address: str
    ine: str
    phone: str
    #: Somebody else has that recovery address further up in the file.
    shares_recovery_address: bool


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """The person, unless something is wrong; and everything there is to say."""

    person: Person | None
    problems: list[Problem]


class RowChecker:
    """Checks the rows of one file, and remembers what only one of them may have."""

    def __init__(self, today: date) -> None:
        self._domains = _Domains()
        self._checks: dict[str, Callable[[str], Any]] = {
            "hr_id": cells.hr_id,
            "family_name": _remembered(cells.name),
            "given_name": _remembered(cells.name),
            "birth_date": _remembered(partial(cells.birth_date, today=today)),
            "category": _remembered(cells.category),
            "employer": _remembered(cells.line),
            "recovery_address": self._domains.recovery_address,
            "start_date": _remembered(cells.start_date),
            "end_date": _remembered(cells.end_date),
            "language": _remembered(cells.language),
            "institutional_address": cells.institutional_address,
            "ine": cells.ine,
            "phone": cells.phone,
        }
        self._line_of_hr_id: dict[str, int] = {}
        self._line_of_recovery_address: dict[str, int] = {}
        self._institutional_addresses: set[str] = set()

    def check(self, row: Row) -> CheckedRow:
        """The person of a row, or what is wrong with it. A refused row leaves no trace."""
        if row.fault:
            return CheckedRow(None, [Problem(row.line, "", "", Severity.ERROR, str(row.fault))])
        values, faults = self._values(row)
        faults += [] if faults else self._clashes(values)
        if faults:
            return CheckedRow(None, _problems(row.line, values.get("hr_id", ""), Severity.ERROR, faults))
        warnings = _problems(row.line, values["hr_id"], Severity.WARNING, self._doubts(values))
        person = Person._make([row.line, *values.values(), self._is_shared(values)])
        self._remember(person)
        return CheckedRow(person, warnings)

    def _values(self, row: Row) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """The checked cells in the order of `Person`, but for those that are refused, with the reasons."""
        values: dict[str, Any] = {}
        faults: list[tuple[str, str]] = []
        for column, check in self._checks.items():
            try:
                values[column] = check(row.cells.get(column, "").strip(BLANKS))
            except InvalidCell as refusal:
                faults.append((column, str(refusal.reason)))
            except InvalidAddress as refusal:
                faults.append((column, str(refusal.message)))
        return values, faults

    def _clashes(self, values: dict[str, Any]) -> list[tuple[str, str]]:
        """What is wrong with the row as a whole, or next to those before it."""
        found = []
        if first_line := self._line_of_hr_id.get(values["hr_id"]):
            found.append(("hr_id", _("Déjà à la ligne %(line)s") % {"line": first_line}))
        if values["end_date"] and values["end_date"] < values["start_date"]:
            found.append(("end_date", str(ENDS_BEFORE_START)))
        if values["institutional_address"] in self._institutional_addresses:
            found.append(("institutional_address", _("Déjà donnée à quelqu’un plus haut dans le fichier")))
        return found

    def _doubts(self, values: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """What does not hold the row up, but deserves a look."""
        if self._is_shared(values):
            line = self._line_of_recovery_address[values["recovery_address"]]
            yield "recovery_address", _("La même adresse de secours est à la ligne %(line)s") % {"line": line}
        if meant := self._domains.probably_meant(values["recovery_address"]):
            yield "recovery_address", _("Peut-être une faute de frappe, pour %(domain)s") % {"domain": meant}

    def _is_shared(self, values: dict[str, Any]) -> bool:
        return values["recovery_address"] in self._line_of_recovery_address

    def _remember(self, person: Person) -> None:
        self._line_of_hr_id[person.hr_id] = person.line
        self._line_of_recovery_address.setdefault(person.recovery_address, person.line)
        if person.institutional_address:
            self._institutional_addresses.add(person.institutional_address)


class _Domains:
    """What has been found out about the domains of recovery addresses: most people share a few."""

    def __init__(self) -> None:
        self._outside: set[str] = set()
        self._meant: dict[str, str] = {}

    def recovery_address(self, raw: str) -> str:
        """The canonical address, outside the university; raises AddressRefused or CellRefused."""
        if self._is_plain(raw):
            return raw
        address = external_address(cells.required(raw))
        self._outside.add(_domain(address))
        return address

    def _is_plain(self, raw: str) -> bool:
        """Whether it is good and its own canonical spelling at a glance: IDNA and the rest are slow."""
        local_part, _at_sign, domain = raw.partition("@")
        if domain not in self._outside or len(raw) > LONGEST_ADDRESS or len(local_part) > LONGEST_LOCAL_PART:
            return False
        return PLAIN_LOCAL_PART.fullmatch(local_part) is not None

    def probably_meant(self, address: str) -> str:
        """The well-known domain that this one looks like, or ""."""
        domain = _domain(address)
        if domain not in self._meant:
            self._meant[domain] = _domain(suggested_correction(f"nom@{domain}") or "")
        return self._meant[domain]


def _remembered(check: Callable[[str], Any]) -> Callable[[str], Any]:
    """The same check, for a column in which many people have the same value: what was good stays good."""
    return lru_cache(MOST_REMEMBERED)(check)


def _domain(address: str) -> str:
    return address.partition("@")[2]


def _problems(line: int, hr_id: str, severity: Severity, found: Iterable[tuple[str, str]]) -> list[Problem]:
    return [Problem(line, hr_id, column, severity, reason) for column, reason in found]
