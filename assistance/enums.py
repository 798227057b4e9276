from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class Reason(models.TextChoices):
    """What the visitor declares; unverified."""

    LOCKED = "locked", _("Mon compte est bloqué")
    NO_LINK = "no-link", _("Je n’ai pas reçu le lien d’activation")
    RECOVERY_LOST = "recovery-lost", _("Je n’ai plus accès à mon adresse de secours")
    PASSWORD = "password", _("Je n’arrive pas à changer mon mot de passe")
    OTHER = "other", _("Autre chose")


class Profile(models.TextChoices):
    """What the visitor declares; it decides which one fact is asked for."""

    STUDENT = "student", _("Étudiant ou étudiante")
    STAFF = "staff", _("Personnel de l’université ou d’un organisme associé")


class RequestState(models.TextChoices):
    NEW = "new", _("Nouvelle")
    TAKEN = "taken", _("Prise en charge")
    CALL_TRIED = "call-tried", _("Appel tenté")
    SOLVED = "solved", _("Résolue")
    REFUSED = "refused", _("Classée sans suite")
    DUPLICATE = "duplicate", _("Doublon")


IN_HAND = (RequestState.TAKEN, RequestState.CALL_TRIED)
CLOSED = (RequestState.SOLVED, RequestState.REFUSED, RequestState.DUPLICATE)


class StepKind(models.TextChoices):
    """What an agent has done with a request. Closing steps have the names of the final states."""

    TAKEN = "taken", _("Prise en charge")
    TAKEN_OVER = "taken-over", _("Reprise à un collègue")
    HANDED_BACK = "handed-back", _("Remise dans la file")
    CALL = "call", _("Appel")
    NOTE = "note", _("Note")
    FACT_MATCHED = "fact-matched", _("La réponse correspond")
    FACT_MISMATCHED = "fact-mismatched", _("La réponse ne correspond pas")
    ATTACHED = "attached", _("Rattachée à un compte")
    SOLVED = "solved", _("Résolue")
    REFUSED = "refused", _("Classée sans suite")
    DUPLICATE = "duplicate", _("Doublon")
    REOPENED = "reopened", _("Rouverte")


class CallOutcome(models.TextChoices):
    REACHED = "reached", _("Joint")
    NO_ANSWER = "no-answer", _("Sans réponse")
    WRONG_NUMBER = "wrong-number", _("Faux numéro")


class Fact(models.TextChoices):
    """Helps to find the account; proves no identity."""

    INE = "ine", _("Numéro INE")
    BIRTH_DATE = "birth-date", _("Date de naissance")


class Match(models.TextChoices):
    """Whether a fact is the one that HR knows; shown to agents only."""

    MATCH = "match", _("Correspond")
    MISMATCH = "mismatch", _("Ne correspond pas")
    NOT_GIVEN = "not-given", _("non fourni")
    UNKNOWN = "unknown", _("inconnu des RH")


def outcome_choices() -> list[tuple[str, Any]]:
    """The outcome of a call, or the fact that was compared."""
    return [*CallOutcome.choices, *Fact.choices]
