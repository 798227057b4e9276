"""Filters of the pages about accounts."""

import re

from django import template
from django.template import Context
from django.urls import reverse

from accounts.passwords.folding import folded

register = template.Library()

#: Of a folded name: an h is silent, a y is a vowel before a consonant.
BEGINS_WITH_A_VOWEL = re.compile(r"[aeiouhœæ]|y[^aeiouy]")
HIDDEN = "•••"


@register.filter
def masked(address: str) -> str:
    """« c•••d@exemple.net »: enough to recognise a typing error, not enough to write to."""
    name, _at, domain = address.rpartition("@")
    shown = f"{name[:1]}{HIDDEN}{name[-1:]}" if len(name) > 2 else HIDDEN
    return f"{shown}@{domain}"


@register.inclusion_tag("agents/_menu_link.html", takes_context=True)
def menu_link(context: Context, url_name: str, label: str) -> dict[str, str]:
    """Current on its page and on those below it: an export is below its list, enrolment below the device."""
    url, path = reverse(url_name), context["request"].path
    path = path.replace("/exports/", "/").replace("/inscription/", "/appareil/")
    return {"url": url, "label": label, "current": "page" if path == url else "true" if path.startswith(url) else ""}


@register.filter
def de(name: str) -> str:
    """« d’ » before a vowel, else « de », with its space."""
    return "d’" if BEGINS_WITH_A_VOWEL.match(folded(name)) else "de "


@register.filter
def answer_code(answer: str) -> str:
    """The code of a mail server's answer, such as 550, without its text, which may hold an address."""
    code = answer[:3]
    return code if code.isascii() and code.isdigit() else ""
