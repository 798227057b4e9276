"""Filters of the charter's page."""

from django import template

from activation.charter import rendering as charter

register = template.Library()
register.filter("rendered_charter", charter.rendered_charter)
register.filter("article_count", charter.article_count)
register.filter("reading_minutes", charter.reading_minutes)
