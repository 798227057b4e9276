"""`manage.py purge [--dry-run]`: delete data at the end of their retention."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from privacy.purge import PurgeIncomplete, preview_purge, purge


class Command(BaseCommand):
    """Exit code 1 when a rule failed."""

    help = "Efface ce qui a été conservé assez longtemps."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="dit ce qui serait effacé et n’efface rien")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        if dry_run:
            self.stdout.write(_("Essai\N{NO-BREAK SPACE}: rien n’a été changé."))
            self._print(preview_purge())
            return
        try:
            self._print(purge())
        except PurgeIncomplete as error:
            raise CommandError(
                _("Tout n’a pas pu être effacé\N{NO-BREAK SPACE}: %(kinds)s.") % {"kinds": error}
            ) from error

    def _print(self, rows: dict[str, int]) -> None:
        for kind, number in rows.items():
            self.stdout.write(f"{kind}\N{NO-BREAK SPACE}: {number}")
