"""What is unusual about a file; an agent has to confirm it before the import.

A wrong file is mostly an old one, that of another university year, an extract, or one with other HR numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q
from django.template.defaultfilters import floatformat
from django.utils import timezone

from accounts.models import Account
from hr_feed.report import ImportReport


@dataclass(frozen=True, slots=True)
class SanityLimit:
    """Exceeded by more than `share` of `whole` and at least `least`; the names are keys of `HrImport.foreseen`."""

    part: str
    whole: str
    share: float
    least: int
    sentence: str


LIMITS = (
    SanityLimit("refused", "read", 0.1, 10, "{part} lignes sur {whole} seraient refusées."),
    SanityLimit(
        "created",
        "known",
        0.3,
        20,
        "{part} personnes sont nouvelles, pour {whole} connues\N{NO-BREAK SPACE}: les numéros RH du fichier sont-ils "
        "bien ceux d’avant\N{NO-BREAK SPACE}?",
    ),
    SanityLimit("updated", "known", 0.2, 20, "La fiche de {part} personnes changerait, sur {whole} connues."),
    SanityLimit("closing", "known", 0.05, 10, "Le compte de {part} personnes serait fermé, sur {whole} connues."),
    SanityLimit(
        "asked",
        "known",
        0.02,
        10,
        "{part} nouvelles personnes ressemblent à des personnes connues\N{NO-BREAK SPACE}: les numéros RH du fichier "
        "sont-ils bien ceux d’avant, avec leurs zéros\N{NO-BREAK SPACE}?",
    ),
    SanityLimit(
        "corrected", "known", 0.05, 10, "L’adresse de secours de {part} personnes serait corrigée, sur {whole} connues."
    ),
)
MISSPELT = (
    "Une colonne qui n’est pas lue ressemble à une colonne qui manque\N{NO-BREAK SPACE}: ses valeurs, par exemple des "
    "dates de départ, seraient perdues."
)
COUNTS = ("read", "created", "updated", "corrected", "proposed", "closing", "unchanged", "refused", "asked", "warnings")


def number_of_known_people() -> int:
    employed = Account.objects.filter(hr_id__isnull=False, erased_at__isnull=True)
    number: int = employed.filter(Q(end_date__isnull=True) | Q(end_date__gte=timezone.localdate())).count()
    return number


def counts_of(report: ImportReport) -> dict[str, int]:
    return {name: getattr(report, name) for name in COUNTS}


def foreseen_in(preview: ImportReport, known: int) -> dict[str, int]:
    """`known`: people before it."""
    return {**counts_of(preview), "known": known, "misspelt": preview.misspelt}


def failed_checks(foreseen: Mapping[str, int]) -> list[str]:
    """As sentences. A first import can only exceed the limit of refused rows."""
    misspelt = [MISSPELT] if foreseen.get("misspelt") else []
    return misspelt + [_sentence(limit, foreseen) for limit in LIMITS if _is_exceeded(limit, foreseen)]


def _is_exceeded(limit: SanityLimit, foreseen: Mapping[str, int]) -> bool:
    part, whole = foreseen.get(limit.part, 0), foreseen.get(limit.whole, 0)
    return whole > 0 and part >= limit.least and part > limit.share * whole


def _sentence(limit: SanityLimit, foreseen: Mapping[str, int]) -> str:
    part, whole = (floatformat(foreseen[name], "0g") for name in (limit.part, limit.whole))
    return limit.sentence.format(part=part, whole=whole)
