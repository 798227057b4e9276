"""The vocabulary of the activation."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class LinkRequestKind(models.TextChoices):
    """What somebody who asks for a link wants it for; what is mailed depends on the account."""

    FIRST_CONNECTION = "first-connection", _("Première connexion")
    FORGOTTEN_PASSWORD = "forgotten-password", _("Mot de passe oublié")


class ResendReason(models.TextChoices):
    """Why an agent mails a link once more."""

    NEVER_CAME = "never-came", _("La personne ne l’a pas reçu")
    EXPIRED = "expired", _("Le lien n’est plus valable")
    LOST = "lost", _("La personne a effacé ou perdu l’e-mail")
    OTHER = "other", _("Autre")
