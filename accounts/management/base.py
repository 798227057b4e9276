import os
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Account
from core.csv import Writable
from core.email_addresses import InvalidAddress, institutional_address_from_login


def account_of(login: str) -> Account:
    """Raises CommandError."""
    try:
        account: Account = Account.objects.get(institutional_address=institutional_address_from_login(login))
    except (InvalidAddress, Account.DoesNotExist) as error:
        raise CommandError(_("Aucun compte n’a cet identifiant.")) from error
    return account


class ExportCommand(BaseCommand):
    """Exit code 0 when the whole list was written; else 1, and the former file is unchanged."""

    #: Returns the number of accounts.
    write_list: Callable[[Writable], int]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", type=Path, metavar="SORTIE.csv", help="au lieu de la sortie standard")

    def handle(self, *args: Any, output: Path | None, **options: Any) -> None:
        if output is None:
            self.write_list(self.stdout)
            return
        with _atomic_file(output) as file:
            written = self.write_list(file)
        if options["verbosity"] > 0:
            self.stdout.write(ngettext("%(number)s compte", "%(number)s comptes", written) % {"number": written})


@contextmanager
def _atomic_file(path: Path) -> Iterator[IO[str]]:
    """Replaces the file atomically: its readers never see half a list."""
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
