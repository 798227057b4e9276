"""`manage.py load_demo`: a few people to try the portal with, on a machine of one's own."""

from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.hr_feed import import_feed
from accounts.models import Account

CAMILLE = "DEMO-0001"
PEOPLE = f"""\
hr_id;family_name;given_name;birth_date;category;employer;recovery_address;start_date;end_date;language;ine;phone
{CAMILLE};Durand;Camille;1984-02-29;staff;Université;camille.durand@exemple.net;2026-09-01;;fr;;06 12 34 56 78
DEMO-0002;Ben Salah;Inès;1979-11-03;hosted;CNRS;ines.bensalah@exemple.org;2025-01-15;;fr;;04 67 12 34 56
DEMO-0003;Le Goff;Maël;2005-06-17;student;Université;mael.legoff@exemple.net;2026-09-01;;fr;0123456789A;07 12 34 56 78
DEMO-0004;O’Connor;Grace;1990-07-08;staff;Université;grace.oconnor@exemple.org;2026-09-01;;en;;+353 1 234 5678
"""


class Command(BaseCommand):
    """Can be run again and again: the people go through the importer, and stay as they have become."""

    help = "Ajoute quelques personnes pour essayer le portail (DEBUG=true seulement)."

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the people, unless the first of them has been through the activation."""
        if not settings.DEBUG:
            raise CommandError("load_demo ne s’utilise qu’avec DEBUG=true.")
        if Account.objects.filter(hr_id=CAMILLE, activated_at__isnull=False).exists():
            return
        import_feed(BytesIO(PEOPLE.encode()))
