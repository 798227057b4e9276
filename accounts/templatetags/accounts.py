"""Entries of the journal in the words of the person they are about."""

from django import template
from django.utils.translation import gettext as _

from accounts.enums import Event
from accounts.models import JournalEntry

register = template.Library()


@register.filter
def detail(entry: JournalEntry) -> str:
    """What exactly: the address, the version, the device; empty when the event says it all."""
    facts = entry.details
    if "previous" in facts:
        return f"{facts['previous'] or _('aucune')} → {facts.get('address') or facts.get('target') or _('aucune')}"
    found = next((facts[key] for key in ("address", "target", "version", "device") if facts.get(key)), "")
    return str(found)


@register.filter
def author(entry: JournalEntry) -> str:
    """Who did it, as far as the portal knows."""
    if entry.actor_id is not None:
        return _("Vous") if entry.actor_id == entry.account_id else _("DSIN")
    if entry.source != "web":
        return _("Automatique")
    return _("Inconnu") if entry.event == Event.SIGN_IN_FAILED else _("Lien reçu par e-mail")
