from django.db import models
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    """Read from the facts, never stored."""

    PENDING = "pending", _("À activer")
    ACTIVE = "active", _("Actif")
    LOCKED = "locked", _("Bloqué")
    TO_REACTIVATE = "to-reactivate", _("À réactiver")
    CLOSED = "closed", _("Fermé")


class Category(models.TextChoices):
    STAFF = "staff", _("Personnel de l’université")
    HOSTED = "hosted", _("Personnel d’un organisme associé")
    STUDENT = "student", _("Étudiant ou étudiante")


class LockReason(models.TextChoices):
    """Shown to the account owner."""

    PHISHING = "phishing", _("Un e-mail d’hameçonnage a pu capter votre mot de passe")
    FRAUDULENT_SITE = "fraudulent-site", _("Votre mot de passe a été saisi sur un faux site")
    SUSPICIOUS_ACTIVITY = "suspicious-activity", _("Activité inhabituelle")
    AT_REQUEST = "at-request", _("À votre demande")
    OTHER = "other", _("Autre\N{NO-BREAK SPACE}: contactez la DSIN")


class ReleaseReason(models.TextChoices):
    """Shown to agents."""

    PHISHING_OVER = "phishing-over", _("Fin d’incident d’hameçonnage")
    SUSPICION_OVER = "suspicion-over", _("Fin d’activité suspecte")
    BY_MISTAKE = "by-mistake", _("Blocage par erreur")
    OTHER = "other", _("Autre")


class Proof(models.TextChoices):
    """How an agent has verified the identity. Birth date, INE and phone number prove nothing: others may know them."""

    CALL_BACK = "call-back", _("Rappel au numéro connu des RH")
    IN_PERSON = "in-person", _("En personne, pièce d’identité")
    VIDEO = "video", _("Visio, pièce d’identité")
    MANAGER = "manager", _("Confirmation par le responsable")
