"""The vocabulary of requests for assistance."""

from typing import Any

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


class RequestState(models.TextChoices):
    """What became of a request."""

    NEW = "new", _("Nouvelle")
    TAKEN = "taken", _("Prise en charge")
    CALL_TRIED = "call-tried", _("Appel tenté")
    SOLVED = "solved", _("Résolue")
    REFUSED = "refused", _("Sans suite")
    DUPLICATE = "duplicate", _("Doublon")


IN_HAND = (RequestState.TAKEN, RequestState.CALL_TRIED)
CLOSED = (RequestState.SOLVED, RequestState.REFUSED, RequestState.DUPLICATE)


class StepKind(models.TextChoices):
    """What an agent has done with a request; each way to close it is called as the state that it leaves."""

    TAKEN = "taken", _("Prise en charge")
    TAKEN_OVER = "taken-over", _("Reprise à un collègue")
    HANDED_BACK = "handed-back", _("Rendue à la file")
    CALL = "call", _("Appel")
    NOTE = "note", _("Note")
    FACT_MATCHED = "fact-matched", _("La réponse concorde")
    FACT_MISMATCHED = "fact-mismatched", _("La réponse ne concorde pas")
    ATTACHED = "attached", _("Rattachée à un compte")
    SOLVED = "solved", _("Résolue")
    REFUSED = "refused", _("Sans suite")
    DUPLICATE = "duplicate", _("Doublon")
    REOPENED = "reopened", _("Rouverte")


class CallOutcome(models.TextChoices):
    """How a call to the person ended."""

    REACHED = "reached", _("Joint")
    NO_ANSWER = "no-answer", _("Sans réponse")
    WRONG_NUMBER = "wrong-number", _("Faux numéro")


class Fact(models.TextChoices):
    """What helps to find the right file, and proves nothing (HLP-03)."""

    INE = "ine", _("Numéro INE")
    BIRTH_DATE = "birth-date", _("Date de naissance")


class Match(models.TextChoices):
    """Whether what was typed is what HR knows; for agents only (HLP-04)."""

    MATCH = "match", _("concorde")
    MISMATCH = "mismatch", _("ne concorde pas")
    NOT_GIVEN = "not-given", _("non fourni")
    UNKNOWN = "unknown", _("inconnu des RH")


#: What is kept as the outcome of a step: how a call ended, or which fact was compared.
def outcome_choices() -> list[tuple[str, Any]]:
    """What a step of a request may have led to."""
    return [*CallOutcome.choices, *Fact.choices]
