"""Journal entries in the words of the account owner."""

from django import template
from django.core.exceptions import FieldDoesNotExist
from django.utils.translation import gettext as _

from accounts.models import Account
from journal.events import Event
from journal.models import JournalEntry

register = template.Library()

#: Keys of `JournalEntry.details`.
BEFORE_AND_AFTER = (("previous", "address"), ("previous", "target"), ("old", "new"))
MAIN_DETAILS = ("address", "target", "previous", "proposed", "version", "device")
BY_LINK = frozenset({Event.PASSWORD_RESET, Event.USER_REACTIVATED})
#: On public forms: the actor is unknown.
BY_UNKNOWN = frozenset(
    {
        Event.SIGN_IN_FAILED,
        Event.LINK_REQUESTED,
        Event.ASSISTANCE_REQUESTED,
        Event.SECOND_FACTOR_REFUSED,
        Event.ENROLMENT_CODE_REFUSED,
    }
)


@register.filter
def detail(entry: JournalEntry) -> str:
    """The address, version or device; empty when the event says it all."""
    facts = entry.details
    for before, after in BEFORE_AND_AFTER:
        if before in facts and after in facts and facts[before] != facts[after]:
            none = _("aucune")
            return f"{facts[before] or none} → {facts[after] or none}"
    if "fields" in facts:
        return ", ".join(_column(name) for name in facts["fields"])
    return str(next((facts[key] for key in MAIN_DETAILS if facts.get(key)), ""))


@register.filter
def author(entry: JournalEntry) -> str:
    if entry.event in BY_LINK:
        return _("Lien reçu par e-mail")
    if isinstance(entry.details, dict) and "system" in entry.details:
        return _("Automatique")
    if entry.actor_id is not None:
        return _("Vous") if entry.actor_id == entry.account_id else _("DSIN")
    if entry.event in BY_UNKNOWN:
        return _("Inconnu")
    return _("Lien reçu par e-mail") if entry.source == "web" else _("Automatique")


def _column(name: str) -> str:
    # A reverse relation has no verbose name, and the journal names none (union-attr).
    try:
        return str(Account._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
    except FieldDoesNotExist:
        return name
