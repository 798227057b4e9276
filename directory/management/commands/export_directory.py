"""`manage.py export_directory [--output FILE]`: what the university's own directory is fed with."""

import os
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from directory.export import write_directory


class Command(BaseCommand):
    """Exit code 0 when the whole list was written; else 1, and the file of the last time is as it was."""

    help = "Écrit les comptes actifs pour l’annuaire LDAP, avec leur choix de parution (supannListeRouge)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to."""
        parser.add_argument("--output", type=Path, metavar="SORTIE.csv", help="au lieu de la sortie standard")

    def handle(self, *args: Any, output: Path | None, **options: Any) -> None:
        """Write, and count when the list goes elsewhere."""
        if output is None:
            write_directory(self.stdout)
            return
        with self._replaced(output) as file:
            written = write_directory(file)
        if options["verbosity"] > 0:
            self.stdout.write(ngettext("%(number)s compte", "%(number)s comptes", written) % {"number": written})

    @contextmanager
    def _replaced(self, path: Path) -> Iterator[IO[str]]:
        """A file that takes the place of the other at once, whole: nobody ever reads half a list."""
        try:
            with NamedTemporaryFile(
                "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
            ) as draft:
                try:
                    yield draft
                    draft.flush()
                    os.fsync(draft.fileno())
                    os.replace(draft.name, path)
                except BaseException:
                    os.unlink(draft.name)
                    raise
        except OSError as error:
            raise CommandError(_("Le fichier %(path)s ne peut pas être écrit.") % {"path": path}) from error
