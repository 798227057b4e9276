"""Filters of the pages about linked services."""

from django import template

from agents.linked_services.answers import answer_in_words
from provisioning.targets import connectors

register = template.Library()
register.filter(answer_in_words)

NAMES = {"ldap": "Annuaire LDAP", "scim": "SCIM", "webhook": "Webhook"}


@register.simple_tag
def linked_service_names() -> list[str]:
    return list(connectors())


@register.filter
def service_name(target: str) -> str:
    return NAMES.get(target, target)


@register.filter
def is_readable(target: str) -> bool:
    return connectors()[target].is_readable()
