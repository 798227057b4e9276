"""What people are told of the services that their password opens."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.enums import State
from accounts.models import Account
from provisioning.enums import Status
from provisioning.models import Replica
from provisioning.targets import connectors

#: The target that the ENT, the mail server and Moodle read.
DIRECTORY = "ldap"
USUAL_DELAY = timedelta(minutes=1)


class Access(models.TextChoices):
    OPEN = "open", _("Accès ouvert")
    SOON = "soon", _("En cours, en général moins d’une minute")
    LATE = "late", _("En cours, plus long que d’habitude")
    AT_DSIN = "at-dsin", _("En cours\N{NO-BREAK SPACE}: la DSIN s’en occupe")


@dataclass(frozen=True, slots=True)
class LinkedService:
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class LinkedServices:
    """They read one directory, so all are open or none."""

    access: Access
    services: list[LinkedService]

    @property
    def are_open(self) -> bool:
        return self.access is Access.OPEN


def services_are_linked() -> bool:
    return DIRECTORY in connectors()


def linked_services(account: Account) -> LinkedServices | None:
    """None when the settings link no directory; else, one query."""
    if not services_are_linked():
        return None
    replica = Replica.objects.select_related("target").filter(account=account, target=DIRECTORY).first()
    return LinkedServices(_access_of(replica), _services_of(account))


def _access_of(replica: Replica | None) -> Access:
    if replica is None:
        return Access.SOON
    if replica.status == Status.DONE and replica.is_up_to_date:
        return Access.OPEN if replica.state == State.ACTIVE else Access.SOON
    if replica.status != Status.WAITING:
        return Access.AT_DSIN
    is_late = replica.target.down_since is not None or replica.marked_at < timezone.now() - USUAL_DELAY
    return Access.LATE if is_late else Access.SOON


def _services_of(account: Account) -> list[LinkedService]:
    mail = [LinkedService(gettext("Messagerie"), settings.WEBMAIL_URL)] if account.has_mailbox_right else []
    return [LinkedService("ENT", settings.ENT_URL), *mail, LinkedService("Moodle", settings.MOODLE_URL)]
