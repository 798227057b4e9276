"""Counts and problems of an import."""

import csv
from dataclasses import dataclass, field
from typing import TextIO

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.csv import escape_formula

#: Further problems are only counted, so that a hostile file cannot fill the memory.
MOST_PROBLEMS = 50_000
#: Shown in the preview.
MOST_EXAMPLES = 200


class Severity(models.TextChoices):
    ERROR = "error", _("erreur")
    WARNING = "warning", _("avertissement")
    PROPOSAL = "proposal", _("proposition")
    QUESTION = "question", _("à décider")


@dataclass(frozen=True, slots=True)
class Problem:
    """`reason` quotes nothing of the file, `hr_id` is validated: the report holds no personal data."""

    line: int
    hr_id: str
    column: str
    severity: Severity
    reason: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`old` and `new` are None in columns whose values are not shown."""

    column: str
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """`changes` is empty for new people."""

    line: int
    hr_id: str
    name: str
    changes: tuple[FieldChange, ...] = ()


@dataclass(slots=True)
class ImportReport:
    """Rows by outcome. A row can be updated and corrected; `closing` rows are among the updated ones.

    `newcomers` and `changed` are the examples of a preview.
    """

    read: int = 0
    created: int = 0
    updated: int = 0
    corrected: int = 0
    proposed: int = 0
    closing: int = 0
    unchanged: int = 0
    refused: int = 0
    #: New people who may have an account already.
    asked: int = 0
    warnings: int = 0
    #: Columns that are not read and seem to be missing ones.
    misspelt: int = 0
    problems: list[Problem] = field(default_factory=list)
    problems_left_out: int = 0
    newcomers: list[Example] = field(default_factory=list, compare=False)
    changed: list[Example] = field(default_factory=list, compare=False)

    def add(self, problem: Problem) -> None:
        self.warnings += problem.severity == Severity.WARNING
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)
        else:
            self.problems_left_out += 1

    def write_csv(self, file: TextIO) -> None:
        """Write the problems in the order of the file, as French CSV."""
        writer = csv.writer(file, delimiter=";")
        writer.writerow([gettext("ligne"), "hr_id", gettext("colonne"), gettext("gravité"), gettext("raison")])
        for problem in sorted(self.problems, key=lambda problem: problem.line):
            cells = (str(problem.line), problem.hr_id, problem.column, problem.severity.label, problem.reason)
            writer.writerow([escape_formula(str(cell)) for cell in cells])
