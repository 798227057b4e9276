"""`manage.py export_person LOGIN`: the data of a person who cannot log in."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from accounts.management.base import account_of
from privacy.export import export_person


class Command(BaseCommand):
    """Writes the JSON of the person's own page."""

    help = "Écrit la copie des données de quelqu’un qui l’a demandée et ne peut pas se connecter."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("login", metavar="IDENTIFIANT")

    def handle(self, *args: Any, login: str, **options: Any) -> None:
        copy = export_person(account=account_of(login), actor=None)
        self.stdout.write(json.dumps(copy, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2))
