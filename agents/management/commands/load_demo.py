from io import BytesIO
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.enums import LockReason
from accounts.locking.lock import lock_accounts
from accounts.models import Account
from accounts.passwords import normalise_password
from activation.models import Charter
from activation.services import accept_charter, complete_activation
from assistance.enums import Profile, Reason
from assistance.services import create_request
from directory.forms import DirectoryForm
from directory.services import record_directory_consent
from hr_feed.importer import import_feed
from mailrouting.services import decline_redirection

CAMILLE = "DEMO-0001"
SAMI = "DEMO-0007"
PEOPLE = f"""\
hr_id;family_name;given_name;birth_date;category;employer;recovery_address;start_date;end_date;language;ine;phone
{CAMILLE};Durand;Camille;1984-02-29;staff;Université;camille.durand@exemple.net;2026-09-01;;fr;;06 12 34 56 78
DEMO-0002;Ben Salah;Inès;1979-11-03;hosted;CNRS;ines.bensalah@exemple.org;2025-01-15;;fr;;04 67 12 34 56
DEMO-0003;Le Goff;Maël;2005-06-17;student;Université;mael.legoff@exemple.net;2026-09-01;;fr;0123456789A;07 12 34 56 78
DEMO-0004;O’Connor;Grace;1990-07-08;staff;Université;grace.oconnor@exemple.org;2026-09-01;;en;;+353 1 234 5678
DEMO-0005;Lefèvre;Nadia;1987-04-12;staff;Université;nadia.lefevre@exemple.net;2020-09-01;;fr;;06 98 76 54 32
DEMO-0006;Lefebvre;Hugo;1975-12-30;hosted;Inserm;hugo.lefebvre@exemple.org;2019-02-01;;fr;;
{SAMI};Haddad;Sami;1991-05-23;staff;Université;sami.haddad@exemple.net;2018-09-01;;fr;;06 11 22 33 44
"""
#: Activated and in the public directory; `make run` prints the login of the first one.
ACTIVE: Final = ("DEMO-0005", "DEMO-0006", SAMI)
PASSWORD: Final = "demonstration seulement 2026"  # noqa: S105


class Command(BaseCommand):
    """Idempotent: the accounts go through the import of the HR feed."""

    help = "Ajoute quelques personnes pour essayer le portail (DEBUG=true seulement)."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEVELOPMENT:
            raise CommandError("load_demo ne s’utilise qu’avec DEBUG=true.")
        if Account.objects.filter(hr_id=CAMILLE, activated_at__isnull=False).exists():
            return
        import_feed(BytesIO(PEOPLE.encode()))
        for account in Account.objects.pending().filter(hr_id__in=ACTIVE):
            activate(account)
            if account.hr_id == SAMI:
                lock_and_ask_for_assistance(account)


def activate(account: Account) -> None:
    accept_charter(account=account, charter=Charter.objects.in_force())
    record_directory_consent(account=account, listed=True, wording=str(DirectoryForm.base_fields["listed"].label))
    if account.has_mailbox_right:
        decline_redirection(account=account)
    complete_activation(account=account, password=normalise_password(PASSWORD))


def lock_and_ask_for_assistance(account: Account) -> None:
    """Lock the account and create a request for assistance about it."""
    lock_accounts(accounts=[account], reason=LockReason.PHISHING, system="messagerie")
    create_request(
        reason=Reason.LOCKED,
        profile=Profile.STAFF,
        ine="",
        birth_date=account.birth_date,
        login=account.institutional_address,
        contact_address=account.recovery_address,
        phone="06 55 44 33 22",
        availability="demain matin",
        description="J’ai cliqué sur un lien dans un e-mail qui disait que ma boîte était pleine.",
    )
