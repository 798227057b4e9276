"""From a row of text to a person HR knows, or to the reasons why not. Checks everything, stops at nothing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.addresses import AddressRefused, canonical_address, outside_address, suggested_correction
from accounts.hr_feed import cells
from accounts.hr_feed.cells import CellRefused
from accounts.hr_feed.reading import Row
from accounts.hr_feed.report import Problem, Severity

ENDS_BEFORE_START = gettext_lazy("Le départ est avant l’arrivée")


@dataclass(frozen=True, slots=True)
class Person:
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
            "family_name": cells.name,
            "given_name": cells.name,
            "birth_date": partial(cells.birth_date, today=today),
            "category": cells.category,
            "employer": cells.line,
            "recovery_address": self._domains.recovery_address,
            "start_date": cells.start_date,
            "end_date": cells.end_date,
            "language": cells.language,
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
        person = Person(line=row.line, shares_recovery_address=self._is_shared(values), **values)
        self._remember(person)
        return CheckedRow(person, warnings)

    def _values(self, row: Row) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        values: dict[str, Any] = {}
        faults: list[tuple[str, str]] = []
        for column, check in self._checks.items():
            try:
                values[column] = check(row.cells.get(column, ""))
            except CellRefused as refusal:
                faults.append((column, str(refusal.reason)))
            except AddressRefused as refusal:
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
        address = canonical_address(cells.required(raw))
        domain = _domain(address)
        if domain not in self._outside:
            outside_address(address)
            self._outside.add(domain)
        return address

    def probably_meant(self, address: str) -> str:
        """The well-known domain that this one looks like, or ""."""
        domain = _domain(address)
        if domain not in self._meant:
            self._meant[domain] = _domain(suggested_correction(f"nom@{domain}") or "")
        return self._meant[domain]


def _domain(address: str) -> str:
    return address.partition("@")[2]


def _problems(line: int, hr_id: str, severity: Severity, found: Iterable[tuple[str, str]]) -> list[Problem]:
    return [Problem(line, hr_id, column, severity, reason) for column, reason in found]
