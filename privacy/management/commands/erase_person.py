"""`manage.py erase_person LOGIN [--still-employed]`: erase the personal data of an account."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from accounts.management.base import account_of
from accounts.models import Account
from privacy.erasure import AccountIsAgent, erase_person, kept_relations


class Command(BaseCommand):
    """Idempotent. Prints what is kept and why, for the answer to the person."""

    help = "Efface les données personnelles de quelqu’un, et dit ce qui est conservé et pourquoi."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("login", metavar="IDENTIFIANT")
        parser.add_argument(
            "--still-employed",
            action="store_true",
            help="même si les RH n’ont pas annoncé de départ (leur prochain fichier peut recréer le compte)",
        )

    def handle(self, *args: Any, login: str, still_employed: bool, **options: Any) -> None:
        account = account_of(login)
        if not account.is_closed and not still_employed:
            raise CommandError(
                _("D’après les RH, cette personne n’est pas partie\N{NO-BREAK SPACE}: son compte n’est pas fermé.")
            )
        try:
            erased = erase_person(account=account)
        except AccountIsAgent as error:
            raise CommandError(
                _("Cette personne est un agent de la DSIN\N{NO-BREAK SPACE}: retirez-lui d’abord ses droits.")
            ) from error
        done = _("Les données personnelles sont effacées.")
        self.stdout.write(done if erased else _("Les données personnelles étaient déjà effacées."))
        self._print_kept(account)

    def _print_kept(self, account: Account) -> None:
        self.stdout.write(_("Restent\N{NO-BREAK SPACE}:"))
        names = ", ".join(filter(None, (account.login, account.uid, account.hr_id)))
        self._print(
            names, _("pour que personne d’autre ne reçoive ce nom, et que le fichier RH ne recrée pas le compte")
        )
        for relation, why in kept_relations().items():
            self._print(f"{relation} ({getattr(account, relation).count()})", why)

    def _print(self, what: str, why: str) -> None:
        self.stdout.write(f"  {what}\N{NO-BREAK SPACE}: {why}")
