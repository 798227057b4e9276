"""Entries of the journal, as agents read them."""

from django import template

from agents.journal import formatting

register = template.Library()

register.filter(formatting.name_of)
register.filter(formatting.author_of)
register.filter(formatting.source_of)
