from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from agents.models import EnrolmentCode
from agents.roles import Role
from agents.second_factor.services import device_of, issue_enrolment_code
from agents.staff.services import (
    AccountNotFound,
    CannotBeAgent,
    LastResponsable,
    RoleRefused,
    change_role,
    get_or_create_account,
    grant_role,
)
from agents.staff.tenure import start_tenure
from core.email_addresses import InvalidAddress, external_address
from core.templatetags.dates import datetime_long

REASON = "Rôle donné sur le serveur, en ligne de commande"
REFUSALS: dict[type[RoleRefused], str] = {
    CannotBeAgent: "Ce compte est bloqué ou fermé\N{NO-BREAK SPACE}: il ne peut pas recevoir de rôle.",
    LastResponsable: "Il ne resterait personne pour gérer les agents\N{NO-BREAK SPACE}: nommez d’abord un responsable.",
}


class Command(BaseCommand):
    """Idempotent: another code is created only when asked for. Vouches for the agent, who may approve at once."""

    help = "Donne un rôle d’agent à un compte, et le code pour configurer son application d’authentification."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("login", help="identifiant, par exemple nadia.lefevre")
        parser.add_argument("--role", choices=Role.values, required=True)
        parser.add_argument("--name", default="", help="prénom puis nom, si les RH ne connaissent pas la personne")
        parser.add_argument("--recovery-address", default="", help="son adresse de secours, dans le même cas")
        parser.add_argument("--new-code", action="store_true", help="donne un autre code et retire l’application")

    def handle(self, *args: Any, **options: Any) -> None:
        account = self._account(options)
        self._set_role(account, Role(options["role"]))
        start_tenure(account, actor=None)
        self.stdout.write(f"{account.full_name} ({account.login})\N{NO-BREAK SPACE}: agent, rôle {options['role']}.")
        codes = EnrolmentCode.objects.filter(account=account)
        has_one = device_of(account) or codes.valid_at(timezone.now()).exists()
        if has_one and not options["new_code"]:
            self.stdout.write("Un code a déjà été donné\N{NO-BREAK SPACE}; --new-code en donne un autre.")
            return
        code = issue_enrolment_code(account=account, reason=REASON)
        until = codes.get().expires_at
        self.stdout.write(f"Code d’enrôlement\N{NO-BREAK SPACE}: {code}")
        self.stdout.write(
            f"À saisir jusqu’au {datetime_long(until)}, une seule fois, après s’être connecté\N{NO-BREAK SPACE}:"
        )
        self.stdout.write(f"{settings.PORTAL_URL}{reverse('admin:enrolment')}")

    def _set_role(self, account: Account, role: Role) -> None:
        set_role = change_role if account.is_staff else grant_role
        try:
            set_role(account=account, role=role, reason=REASON)
        except RoleRefused as refused:
            raise CommandError(REFUSALS[type(refused)]) from refused

    def _account(self, options: dict[str, Any]) -> Account:
        try:
            address = external_address(options["recovery_address"]) if options["recovery_address"] else ""
            return get_or_create_account(login=options["login"], name=options["name"], recovery_address=address)
        except InvalidAddress as refusal:
            raise CommandError(str(refusal)) from refusal
        except AccountNotFound as error:
            raise CommandError(
                "Aucun compte n’a cet identifiant\N{NO-BREAK SPACE}: pour en créer un, --name et --recovery-address."
            ) from error
