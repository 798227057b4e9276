"""`manage.py lock_account LOGIN… | --file F --reason phishing [--comment …]`: lock one account or many at once."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from accounts.enums import LockReason
from accounts.locking.lock import LockOutcome, lock_accounts_by_name
from accounts.models import Lock
from core.text import InvalidText, clean_line

LARGEST_FILE = 10_000_000


class Command(BaseCommand):
    """Exit code 0 when every account is locked; 1 when a name is unknown, or the arguments are invalid."""

    help = "Bloque des comptes : sessions, liens et redirections s’arrêtent aussitôt."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("logins", nargs="*", metavar="IDENTIFIANT", help="adresse institutionnelle ou uid")
        parser.add_argument("--file", type=Path, metavar="FICHIER", help="un identifiant par ligne")
        parser.add_argument("--reason", required=True, choices=LockReason.values, help="ce que lira la personne")
        parser.add_argument("--comment", default="", help="pour les agents")

    def handle(
        self, *args: Any, logins: list[str], file: Path | None, reason: str, comment: str, **options: Any
    ) -> None:
        names = [*logins, *_names_in(file)]
        if not names:
            raise CommandError(_("Donnez un identifiant, ou un fichier avec --file."))
        outcomes = lock_accounts_by_name(names=names, reason=LockReason(reason), comment=_checked(comment))
        if options["verbosity"] > 0:
            for name, outcome in outcomes:
                self.stdout.write(f"{name}\t{_label(outcome)}")
        unknown = sum(outcome == LockOutcome.UNKNOWN for _name, outcome in outcomes)
        if unknown:
            raise CommandError(_("Identifiants inconnus\N{NO-BREAK SPACE}: %(number)s") % {"number": unknown})


def _names_in(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            names = [line.strip() for line in lines.read(LARGEST_FILE).splitlines()]
    except OSError as error:
        text = _("Le fichier %(path)s n’existe pas ou ne peut pas être lu.")
        raise CommandError(text % {"path": file}) from error
    return [name for name in names if name]


def _checked(comment: str) -> str:
    try:
        line = clean_line(comment)
    except InvalidText as refused:
        raise CommandError(str(refused.message)) from refused
    longest = Lock._meta.get_field("comment").max_length
    if longest is not None and len(line) > longest:
        raise CommandError(_("Ce texte est trop long. Raccourcissez-le"))
    return line


def _label(outcome: LockOutcome) -> str:
    return {
        LockOutcome.LOCKED: _("bloqué"),
        LockOutcome.ALREADY_LOCKED: _("déjà bloqué"),
        LockOutcome.CLOSED: _("fermé"),
        LockOutcome.UNKNOWN: _("inconnu"),
    }[outcome]
