from django.db import models
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    """Every mail of the portal; apps register how it is built (`outbox.registry`)."""

    ACTIVATION = "activation", _("Activation")
    NEW_LINK = "new-link", _("Nouveau lien d’activation")
    ALREADY_ACTIVE = "already-active", _("Compte déjà actif")
    LOCKED = "locked", _("Compte bloqué")
    ACCOUNT_LOCKED = "account-locked", _("Blocage du compte")
    REACTIVATION = "reactivation", _("Compte débloqué")
    REDIRECTION_VERIFICATION = "redirection-verification", _("Vérification de la redirection")
    REDIRECTION_CHANGED = "redirection-changed", _("Redirection modifiée")
    PASSWORD_RESET = "password-reset", _("Mot de passe oublié")
    PASSWORD_CHANGED = "password-changed", _("Mot de passe changé")
    RECOVERY_VERIFICATION = "recovery-verification", _("Vérification de l’adresse de secours")
    RECOVERY_CHANGED = "recovery-changed", _("Adresse de secours changée")
    RECOVERY_CORRECTED = "recovery-corrected", _("Adresse de secours corrigée")
    RECOVERY_REPLACEMENT = "recovery-replacement", _("Remplacement de l’adresse de secours")
    RECOVERY_ANNOUNCED = "recovery-announced", _("Nouvelle adresse de secours")
    SECOND_FACTOR_CHANGED = "second-factor-changed", _("Double authentification modifiée")
    ROLE_CHANGED = "role-changed", _("Rôle d’agent modifié")
    AGENTS_CHANGED = "agents-changed", _("Changement parmi les agents")
    ACCOUNT_ACTIVATED = "account-activated", _("Compte activé")
    ACTIVATION_REMINDER = "activation-reminder", _("Rappel d’activation")
    ACCOUNT_CLOSING = "account-closing", _("Fermeture prochaine du compte")
    ACCOUNT_REOPENED = "account-reopened", _("Compte rouvert")
    ASSISTANCE_RECEIVED = "assistance-received", _("Demande d’assistance reçue")


class Priority(models.IntegerChoices):
    """Mails that a person has just requested go before those of an import."""

    URGENT = 0, _("Demandé par une personne")
    BULK = 10, _("Envoi en nombre")


class Status(models.TextChoices):
    """Only `QUEUED` and `SENDING` may still lead to a send."""

    QUEUED = "queued", _("En attente")
    SENDING = "sending", _("En cours d’envoi")
    SENT = "sent", _("Envoyé")
    DELIVERED = "delivered", _("Remis")
    BOUNCED = "bounced", _("Refusé par la messagerie du destinataire")
    COMPLAINED = "complained", _("Signalé comme indésirable")
    REFUSED = "refused", _("Refusé à l’envoi")
    GIVEN_UP = "given-up", _("Abandonné")
    CANCELLED = "cancelled", _("Envoi annulé")


UNFINISHED = (Status.QUEUED, Status.SENDING)
UNDELIVERED = (Status.BOUNCED, Status.COMPLAINED, Status.REFUSED, Status.GIVEN_UP)
