from django.db import models
from django.utils.translation import gettext_lazy as _

#: How the answer ends where the service alone has suspended an account. An agent may confirm that it is to be opened.
SUSPENDED_ELSEWHERE = "is suspended in the directory, and not by the portal"


class Status(models.TextChoices):
    """Of an account at a target."""

    WAITING = "waiting", _("En attente")
    DONE = "done", _("À jour")
    REFUSED = "refused", _("Refusé par le service")
    CONFLICT = "conflict", _("À décider par un agent")
    HELD = "held", _("Retenu\N{NO-BREAK SPACE}: beaucoup de fermetures à la fois")


class Urgency(models.IntegerChoices):
    """The order in which waiting accounts are written."""

    WITHDRAWAL = 0, _("Accès à retirer")
    PERSON = 1, _("Une personne attend")
    BULK = 2, _("En nombre")
