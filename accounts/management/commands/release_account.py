"""`manage.py release_account LOGIN --agent LOGIN …`: unlock an account, as an agent who has checked the identity."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from accounts.enums import Proof, ReleaseReason
from accounts.locking.unlock import (
    ChangesNotReviewed,
    NoRecoveryAddress,
    NotLocked,
    ReportTooShort,
    UnlockNotAllowed,
    UnlockNotProven,
    UnlockRefused,
    unlock_account,
)
from accounts.models import Account
from core.email_addresses import InvalidAddress, institutional_address_from_login

REFUSALS: Final = {
    NotLocked: "Ce compte n’est pas bloqué.",
    UnlockNotAllowed: "Seul un agent débloque, jamais son compte\N{NO-BREAK SPACE}; un autre agent, les Responsables.",
    UnlockNotProven: "Cette preuve ne suffit pas\N{NO-BREAK SPACE}: les RH ne connaissent aucun numéro à rappeler.",
    ReportTooShort: "Écrivez ce qui a été fait, en 10 caractères au moins.",
    NoRecoveryAddress: "Aucune adresse de secours où envoyer le lien\N{NO-BREAK SPACE}: faites-la d’abord corriger.",
}


class Command(BaseCommand):
    """Exit code 0 when the account is unlocked and the link queued; 1 when nothing has changed."""

    help = "Débloque un compte, identité vérifiée\N{NO-BREAK SPACE}; un lien pour le réactiver part à la personne."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("login", metavar="IDENTIFIANT")
        parser.add_argument("--agent", required=True, metavar="IDENTIFIANT", help="l’agent qui a vérifié l’identité")
        parser.add_argument("--reason", required=True, choices=ReleaseReason.values)
        parser.add_argument("--proof", required=True, choices=Proof.values, help="comment l’identité a été vérifiée")
        parser.add_argument("--report", required=True, help="compte rendu, 10 caractères au moins")
        parser.add_argument(
            "--reviewed", nargs="*", type=int, default=[], metavar="N", help="changements vérifiés, un à un"
        )

    def handle(self, *args: Any, login: str, agent: str, **options: Any) -> None:
        arguments = {name: options[name] for name in ("reason", "proof", "report", "reviewed")}
        try:
            unlock_account(account=_account(login), agent=_account(agent), **arguments)
        except ChangesNotReviewed as refused:
            lines = [f"  {entry.pk}  {entry.at:%Y-%m-%d %H:%M}  {entry}" for entry in refused.entries]
            raise CommandError(
                "\n".join(["Vérifiez chaque changement, puis --reviewed\N{NO-BREAK SPACE}:", *lines])
            ) from refused
        except UnlockRefused as refused:
            raise CommandError(REFUSALS[type(refused)]) from refused
        self.stdout.write("Compte débloqué. Le lien de réactivation part vers l’adresse de secours.")


def _account(login: str) -> Account:
    try:
        found: Account = Account.objects.get(institutional_address=institutional_address_from_login(login))
    except (InvalidAddress, Account.DoesNotExist) as error:
        raise CommandError(f"Aucun compte n’a cet identifiant\N{NO-BREAK SPACE}: {login}") from error
    return found
