"""`manage.py import_staff FILE.csv [--dry-run] [--report OUT.csv] …`: update the accounts from an HR file."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hr_feed.importer import import_feed
from hr_feed.parsing.parser import UnreadableFile
from hr_feed.report import ImportReport
from hr_feed.uploads.sanity_checks import failed_checks, foreseen_in, number_of_known_people

LINES_SHOWN = 20
BAR_WIDTH = 40


class Command(BaseCommand):
    """Exit code 0 when the file could be read, even if rows were refused; else 1."""

    help = "Met les comptes en accord avec un export CSV du système RH."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FICHIER.csv")
        parser.add_argument("--dry-run", action="store_true", help="dit ce qui changerait et ne change rien")
        parser.add_argument("--report", type=Path, metavar="SORTIE.csv", help="y écrit une ligne par problème")
        parser.add_argument(
            "--new-person",
            action="append",
            default=[],
            metavar="NUMÉRO_RH",
            help="crée ce compte, bien qu’un autre lui ressemble (à répéter)",
        )
        parser.add_argument("--sure", action="store_true", help="importe, bien que le fichier sorte de l’ordinaire")

    def handle(self, *args: Any, file: Path, dry_run: bool, report: Path | None, **options: Any) -> None:
        with self._report_file(report) as report_file:
            distinct = frozenset(options["new_person"])
            done = self._import(file, dry_run, distinct, is_sure=dry_run or options["sure"])
            if report_file:
                done.write_csv(report_file)
        if options["verbosity"] > 0:
            self._summarise(done, dry_run=dry_run)

    def _import(self, file: Path, dry_run: bool, distinct: frozenset[str], *, is_sure: bool) -> ImportReport:
        try:
            stream = file.open("rb")
        except OSError as error:
            raise CommandError(_unreadable(file)) from error
        with stream:
            if not stream.seekable():
                raise CommandError(_unreadable(file))
            try:
                if not is_sure:
                    _refuse_unusual(import_feed(stream, dry_run=True, distinct=distinct))
                return import_feed(stream, dry_run=dry_run, progress=self._show_progress, distinct=distinct)
            except UnreadableFile as error:
                raise CommandError(str(error)) from error
            finally:
                self._clear_progress()

    @contextmanager
    def _report_file(self, path: Path | None) -> Iterator[TextIO | None]:
        """Opened before the import: an unwritable path must not be found afterwards."""
        if path is None:
            yield None
            return
        try:
            # The byte order mark tells spreadsheets that this is UTF-8.
            file = path.open("w", encoding="utf-8-sig", newline="")
        except OSError as error:
            raise CommandError(_("Le rapport ne peut pas être écrit dans %(path)s.") % {"path": path}) from error
        with file:
            yield file

    def _show_progress(self, done: int, total: int) -> None:
        if self.stderr.isatty():
            full = BAR_WIDTH * min(done, total) // total
            bar = "#" * full + "." * (BAR_WIDTH - full)
            self.stderr.write(f"\r[{bar}] {min(done, total)}/{total}", style_func=str, ending="")

    def _clear_progress(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\x1b[K", style_func=str, ending="")

    def _summarise(self, report: ImportReport, *, dry_run: bool) -> None:
        if dry_run:
            self.stdout.write(_("Essai\N{NO-BREAK SPACE}: rien n’a été changé."))
        for label, number in _counts(report):
            self.stdout.write(f"{label}\N{NO-BREAK SPACE}: {number}")
        for problem in report.problems[:LINES_SHOWN]:
            place = _("ligne %(line)s") % {"line": problem.line}
            parts = filter(None, (place, problem.hr_id, problem.column, problem.severity.label, problem.reason))
            self.stdout.write("  " + " · ".join(map(str, parts)))
        self._print_remaining(len(report.problems) + report.problems_left_out - LINES_SHOWN)

    def _print_remaining(self, number: int) -> None:
        if number > 0:
            others = ngettext("Et %(number)s autre", "Et %(number)s autres", number) % {"number": number}
            self.stdout.write(f"  {others} (--report)")


def _counts(report: ImportReport) -> list[tuple[str, int]]:
    return [
        (_("Lignes lues"), report.read),
        (_("Comptes créés"), report.created),
        (_("Fiches mises à jour"), report.updated),
        (_("Adresses de secours corrigées"), report.corrected),
        (_("Adresses de secours proposées"), report.proposed),
        (_("Sans changement"), report.unchanged),
        (_("Lignes refusées"), report.refused),
        (_("Personnes à départager") + " (--new-person)", report.asked),
        (_("Avertissements"), report.warnings),
    ]


def _refuse_unusual(preview: ImportReport) -> None:
    """A command shows no preview, and what it closes and mails cannot be taken back."""
    doubts = failed_checks(foreseen_in(preview, number_of_known_people()))
    if doubts:
        raise CommandError("\n".join([*doubts, _("Rien n’a été changé. Si c’est le bon fichier, ajoutez --sure.")]))


def _unreadable(file: Path) -> str:
    return _("Le fichier %(path)s n’existe pas ou ne peut pas être lu.") % {"path": file}
