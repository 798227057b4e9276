"""Counts and examples of an HR import, for its pages."""

from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import floatformat

from accounts.models import Account
from hr_feed.models import HrImport, ImportState
from hr_feed.report import MOST_EXAMPLES, Severity

LABELS = {
    "read": "Lignes lues",
    "created": "Nouveaux comptes",
    "updated": "Fiches modifiées",
    "closing": "Parmi elles, comptes qui se ferment (départ passé)",
    "corrected": "Adresses de secours corrigées",
    "proposed": "Adresses de secours proposées aux agents",
    "unchanged": "Personnes sans changement",
    "refused": "Lignes refusées",
    "asked": "Personnes à départager",
    "warnings": "Avertissements",
}
ALWAYS_SHOWN = ("read", "created", "updated", "refused")
#: Longer lists start closed.
OPEN_UP_TO = 20
WRITES = ("created", "updated", "corrected", "proposed")


@dataclass(frozen=True, slots=True)
class Count:
    """None: not known."""

    label: str
    foreseen: int | None
    done: int | None


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    number: int
    rows: list[dict[str, Any]]
    is_about_people: bool = False
    is_open: bool = False

    @property
    def is_cut(self) -> bool:
        return len(self.rows) == MOST_EXAMPLES


def counts(hr_import: HrImport) -> list[Count]:
    foreseen, done = hr_import.foreseen, hr_import.done
    if hr_import.state == ImportState.ABANDONED and not done:
        return []
    return [
        Count(label, foreseen.get(name), done.get(name))
        for name, label in LABELS.items()
        if foreseen.get(name) or done.get(name) or (foreseen and name in ALWAYS_SHOWN)
    ]


def would_write(hr_import: HrImport) -> bool:
    return any(hr_import.foreseen.get(name) for name in (*WRITES, "asked"))


def good_rows(hr_import: HrImport) -> int:
    foreseen = hr_import.foreseen
    return int(foreseen.get("read", 0)) - int(foreseen.get("refused", 0)) - int(foreseen.get("asked", 0))


def look_alikes(hr_import: HrImport) -> list[tuple[str, str]]:
    """The new people to decide about: HR number, and line with reason."""
    examples = hr_import.examples.get(Severity.QUESTION, [])
    return [(one["hr_id"], f"{one['hr_id']}, ligne {one['line']}. {one['reason']}.") for one in examples]


def summarize(hr_import: HrImport) -> str:
    numbers = hr_import.foreseen if hr_import.is_open else hr_import.done
    words = {"created": "créés", "updated": "modifiés", "refused": "refusées"}
    parts = [
        f"{floatformat(numbers[name], '0g')}\N{NO-BREAK SPACE}{word}" for name, word in words.items() if name in numbers
    ]
    return " · ".join(parts)


def sections(hr_import: HrImport) -> list[Section]:
    """Refused rows first; empty kinds are left out."""
    numbers, examples = hr_import.done or hr_import.foreseen, hr_import.examples
    changed = [
        {**one, "changes": [_with_label(change) for change in one["changes"]]} for one in examples.get("changed", [])
    ]
    touched = numbers.get("updated", 0) + numbers.get("corrected", 0)
    refused = examples.get(Severity.ERROR, [])
    found = [
        Section("Lignes refusées", numbers.get("refused", 0), refused, is_open=len(refused) <= OPEN_UP_TO),
        Section(
            "Personnes à départager",
            numbers.get("asked", 0),
            examples.get(Severity.QUESTION, []),
            is_open=hr_import.state != ImportState.PREVIEWED,
        ),
        Section("Avertissements", numbers.get("warnings", 0), examples.get(Severity.WARNING, [])),
        Section("Adresses de secours proposées", numbers.get("proposed", 0), examples.get(Severity.PROPOSAL, [])),
        Section("Comptes à créer", numbers.get("created", 0), examples.get("newcomers", []), is_about_people=True),
        Section("Fiches et adresses à modifier", touched, changed, is_about_people=True),
    ]
    return [section for section in found if section.rows]


def _with_label(change: dict[str, Any]) -> dict[str, Any]:
    return {**change, "label": Account._meta.get_field(change["column"]).verbose_name}  # type: ignore[union-attr]
