"""`manage.py export_person LOGIN`: the copy of somebody's data, for whoever cannot sign in to take it (PRV-07)."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from accounts.management.base import account_of
from privacy.export import export_person


class Command(BaseCommand):
    """Writes JSON on the standard output, the same as the person's own page gives; it is in the journal."""

    help = "Écrit la copie des données de quelqu’un qui l’a demandée et ne peut pas se connecter."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose data."""
        parser.add_argument("login", metavar="IDENTIFIANT")

    def handle(self, *args: Any, login: str, **options: Any) -> None:
        """Write it, once it has been recorded."""
        copy = export_person(account=account_of(login), actor=None)
        self.stdout.write(json.dumps(copy, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2))
