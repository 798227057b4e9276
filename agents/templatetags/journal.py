"""Entries of the journal, as agents read them."""

from django import template

from agents.journal import formatting as journal_words

register = template.Library()

register.filter(journal_words.name_of)
register.filter(journal_words.author_of)
register.filter(journal_words.source_of)
