"""Journal entries in French, for agents. No address is in clear."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import QuerySet

from accounts.enums import LockReason, Proof, ReleaseReason
from accounts.models import Account, RecoveryAddressCorrection
from activation.enums import ResendReason
from agents.journal.filters import FORM_EVENTS, Author
from agents.templatetags.agents import masked
from journal.events import Event
from journal.models import JournalEntry

#: Former and new address, by the key of the correction.
Corrections = Mapping[int, tuple[str, str]]

EMPTY: tuple[Any, ...] = (None, "", [], {})
#: Choices of the coded reasons; those of other events are free text.
REASONS = {
    Event.LOCKED.value: LockReason,
    Event.RELEASED.value: ReleaseReason,
    Event.LINK_REQUESTED.value: ResendReason,
}
AUTOMATIC = "Automatique"
FORMS = dict(
    zip(
        FORM_EVENTS,
        ("Formulaire de connexion", "Formulaire de demande de lien", "Formulaire d’assistance"),
        strict=True,
    )
)
SOURCES = {"web": "Page web", "worker": "Tâche de fond", "command": "Ligne de commande"}


def name_of(account: Account) -> str:
    """The login of an erased account."""
    return account.full_name.strip() or account.login


def author_of(entry: JournalEntry) -> str:
    if entry.actor is None:
        return _origin_of(entry)
    return Author.OWNER.label if entry.actor_id == entry.account_id else f"Agent {name_of(entry.actor)}"


def _origin_of(entry: JournalEntry) -> str:
    """What acted, where no account has signed in."""
    if "system" in entry.details:
        return AUTOMATIC
    if entry.event in FORMS:
        return FORMS[Event(entry.event)]
    return {"web": "Lien reçu par e-mail", "command": SOURCES["command"]}.get(entry.source, AUTOMATIC)


def source_of(entry: JournalEntry) -> str:
    return SOURCES.get(entry.source, entry.source)


def corrections_of(entries: Iterable[JournalEntry]) -> Corrections:
    keys = {entry.details["correction"] for entry in entries if "correction" in entry.details}
    return _addresses(RecoveryAddressCorrection.objects.filter(pk__in=keys)) if keys else {}


def every_correction() -> Corrections:
    return _addresses(RecoveryAddressCorrection.objects.all())


def _addresses(corrections: QuerySet[RecoveryAddressCorrection]) -> Corrections:
    return {pk: (old, new) for pk, old, new in corrections.values_list("pk", "previous_address", "new_address")}


def facts_of(entry: JournalEntry, corrections: Corrections) -> list[tuple[str, str]]:
    """Labels and values of the details; those without a label in FACTS are internal."""
    details = entry.details
    if "correction" in details:
        old, new = corrections.get(details["correction"], ("", ""))
        details = {**details, "old": old, "new": new}
    if reasons := REASONS.get(entry.event):
        details = {**details, "reason": _choice_label(reasons)(details.get("reason", ""))}
    return [(label, show(details[key])) for key, (label, show) in FACTS.items() if details.get(key) not in EMPTY]


def _text(value: Any) -> str:
    return str(value)


def _address(value: Any) -> str:
    """Masked; imports store a count under the same key."""
    return masked(value) if "@" in str(value) else str(value)


def _yes_or_no(value: Any) -> str:
    return "oui" if value else "non"


def _count(values: Iterable[Any]) -> str:
    return str(len(list(values)))


def _list(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values)) or "aucun"


def _counted(numbers: Mapping[str, int]) -> str:
    return _list(f"{name} {number}" for name, number in numbers.items() if number)


def _columns(names: Iterable[str]) -> str:
    return _list(map(_column, names))


def _column(name: str) -> str:
    try:
        return str(Account._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
    except FieldDoesNotExist:
        return name


def _choice_label(vocabulary: Any) -> Callable[[Any], str]:
    def label(value: Any) -> str:
        return str(vocabulary(value).label) if value in vocabulary.values else str(value)

    return label


#: Label and format of each detail, in display order.
FACTS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "reason": ("Raison", _text),
    "comment": ("Commentaire", _text),
    "proof": ("Identité vérifiée par", _choice_label(Proof)),
    "number_called": ("Numéro appelé", _text),
    "reviewed": ("Changements vérifiés", _count),
    "system": ("Système de sécurité", _text),
    "reference": ("Demande", _text),
    "former": ("Ancien rôle", _text),
    "role": ("Rôle", _text),
    "old": ("Avant", _address),
    "previous": ("Avant", _address),
    "new": ("Après", _address),
    "address": ("Adresse", _address),
    "proposed": ("Adresse proposée", _address),
    "target": ("Redirection vers", _address),
    "keep_copy": ("Copie dans la boîte universitaire", _yes_or_no),
    "fields": ("Informations changées", _columns),
    "changed": ("Changement signalé", _choice_label(Event)),
    "version": ("Version", _text),
    "summary": ("Ce qui change", _text),
    "announcement": ("Annonce", _text),
    "file": ("Fichier", _text),
    "size": ("Taille en octets", _text),
    "created": ("Comptes créés", _text),
    "updated": ("Fiches mises à jour", _text),
    "corrected": ("Adresses de secours corrigées", _text),
    "refused": ("Lignes refusées", _text),
    "language": ("Langue", _text),
    "device": ("Appareil", _text),
    "sessions": ("Sessions fermées", _text),
    "by": ("Au moyen de", _text),
    "service": ("Service relié", _text),
    "number": ("Comptes", _text),
    "what": ("Contenu", _text),
    "filters": ("Filtres", _list),
    "rows": ("Lignes", _text),
    "gone": ("Lignes effacées", _counted),
    "failed": ("Échecs", _list),
    "failures": ("Échecs non détaillés", _text),
}
