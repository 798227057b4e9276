"""The vocabulary of requests for assistance."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Reason(models.TextChoices):
    """What the person says is happening; nobody has checked it."""

    LOCKED = "locked", _("Mon compte est bloqué")
    NO_LINK = "no-link", _("Je n’ai pas reçu le lien d’activation")
    RECOVERY_LOST = "recovery-lost", _("Je n’ai plus accès à mon adresse de secours")
    PASSWORD = "password", _("Je n’arrive pas à changer mon mot de passe")
    OTHER = "other", _("Autre chose")


class Profile(models.TextChoices):
    """What the person says they are: it decides which one fact is asked for (PRV-04)."""

    STUDENT = "student", _("Étudiant ou étudiante")
    STAFF = "staff", _("Personnel de l’université ou d’un organisme associé")


class Progress(models.TextChoices):
    """What became of a request."""

    NEW = "new", _("Nouvelle")
    TAKEN = "taken", _("Prise en charge")
    CALL_TRIED = "call-tried", _("Appel sans réponse")
    SOLVED = "solved", _("Résolue")
    REFUSED = "refused", _("Sans suite")


IN_HAND = (Progress.TAKEN, Progress.CALL_TRIED)
CLOSED = (Progress.SOLVED, Progress.REFUSED)
