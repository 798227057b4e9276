"""The vocabulary of accounts: states, categories, reasons and the events of the journal."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    """What a person can do with the account; read from facts, never stored."""

    PENDING = "pending", _("À activer")
    ACTIVE = "active", _("Actif")
    LOCKED = "locked", _("Bloqué")
    TO_REACTIVATE = "to-reactivate", _("À réactiver")
    CLOSED = "closed", _("Fermé")


class Category(models.TextChoices):
    """Who employs or teaches the person; only the university's own staff has a mailbox."""

    STAFF = "staff", _("Personnel de l’université")
    HOSTED = "hosted", _("Personnel d’un organisme associé")
    STUDENT = "student", _("Étudiant ou étudiante")


class LockReason(models.TextChoices):
    """Why an account is locked, as the person reads it."""

    PHISHING = "phishing", _("Un e-mail d’hameçonnage a pu capter votre mot de passe")
    FRAUDULENT_SITE = "fraudulent-site", _("Votre mot de passe a été saisi sur un faux site")
    SUSPICIOUS_ACTIVITY = "suspicious-activity", _("Activité inhabituelle")
    AT_REQUEST = "at-request", _("À votre demande")
    OTHER = "other", _("Autre\N{NO-BREAK SPACE}: contactez la DSIN")


class ReleaseReason(models.TextChoices):
    """Why an account is released, as agents read it."""

    PHISHING_OVER = "phishing-over", _("Fin d’incident d’hameçonnage")
    SUSPICION_OVER = "suspicion-over", _("Fin d’activité suspecte")
    BY_MISTAKE = "by-mistake", _("Blocage par erreur")
    OTHER = "other", _("Autre")


class Proof(models.TextChoices):
    """How an agent has made sure who asks (HLP-03). What anybody may know or type, a birth date, an INE, a telephone
    number, proves nothing, and is not among them."""

    CALL_BACK = "call-back", _("Rappel au numéro connu des RH")
    IN_PERSON = "in-person", _("En personne, pièce d’identité")
    VIDEO = "video", _("Visio, pièce d’identité")
    MANAGER = "manager", _("Confirmation par le responsable")
