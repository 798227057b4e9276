from django.db import models
from django.utils.translation import gettext_lazy as _


class LinkRequestKind(models.TextChoices):
    """The form that was filled in; which mail answers it depends on the account."""

    FIRST_CONNECTION = "first-connection", _("Première connexion")
    FORGOTTEN_PASSWORD = "forgotten-password", _("Mot de passe oublié")


class ResendReason(models.TextChoices):
    NEVER_CAME = "never-came", _("La personne ne l’a pas reçu")
    EXPIRED = "expired", _("Le lien n’est plus valable")
    LOST = "lost", _("La personne a effacé ou perdu l’e-mail")
    OTHER = "other", _("Autre")
