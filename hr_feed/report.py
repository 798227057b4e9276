"""What an import did, and what it could not do, line by line."""

import csv
from dataclasses import dataclass, field
from typing import TextIO

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.csv import escape_formula

#: More lines than anybody reads; the others are only counted, so that a hostile file cannot fill the memory.
MOST_PROBLEMS = 50_000

#: As many as somebody looks through before saying yes.
MOST_EXAMPLES = 200


class Severity(models.TextChoices):
    """What a problem means for its row."""

    ERROR = "error", _("erreur")
    WARNING = "warning", _("avertissement")
    PROPOSAL = "proposal", _("proposition")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to tell about one cell. It quotes nothing of the file but the checked `hr_id` (PRV-04)."""

    line: int
    hr_id: str
    column: str
    severity: Severity
    reason: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A column that changes; `old` and `new` are None where the values must not be shown (PRV-04)."""

    column: str
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """Somebody of the file, for whoever looks at a preview; `changes` is empty for newcomers."""

    line: int
    hr_id: str
    name: str
    changes: tuple[FieldChange, ...] = ()


@dataclass(slots=True)
class ImportReport:
    """Rows counted by what became of them. A row can be both updated and corrected, and who is `closing` is updated.

    A preview has examples too: the first newcomers and the first people who change.
    """

    read: int = 0
    created: int = 0
    updated: int = 0
    corrected: int = 0
    proposed: int = 0
    closing: int = 0
    unchanged: int = 0
    refused: int = 0
    warnings: int = 0
    problems: list[Problem] = field(default_factory=list)
    problems_left_out: int = 0
    newcomers: list[Example] = field(default_factory=list, compare=False)
    changed: list[Example] = field(default_factory=list, compare=False)

    def tell(self, problem: Problem) -> None:
        """Keep a problem, or only count it when there are too many already."""
        self.warnings += problem.severity == Severity.WARNING
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)
        else:
            self.problems_left_out += 1

    def write_csv(self, file: TextIO) -> None:
        """Write the problems in the order of the file, for a spreadsheet that reads French CSV."""
        writer = csv.writer(file, delimiter=";")
        writer.writerow([gettext("ligne"), "hr_id", gettext("colonne"), gettext("gravité"), gettext("raison")])
        for problem in sorted(self.problems, key=lambda problem: problem.line):
            cells = (str(problem.line), problem.hr_id, problem.column, problem.severity.label, problem.reason)
            writer.writerow([escape_formula(str(cell)) for cell in cells])
