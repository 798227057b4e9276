"""The forms of a page, read from its HTML."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from django.test.html import Element, parse_html

from tests.factories import A_GOOD_PASSWORD

CSRF = "csrfmiddlewaretoken"
CHOICES = ("radio", "select", "checkbox", "submit")
#: Acceptable answers by name, else by type.
PLAUSIBLE = {
    **dict.fromkeys(("email", "contact_address", "address", "target"), "encore.ailleurs@exemple.org"),
    **dict.fromkeys(("password", "password2"), "une-phrase-du-bureau-bleu"),
    **dict.fromkeys(("tel", "phone"), "06 12 34 56 78"),
    "current_password": A_GOOD_PASSWORD,
    "website": "",  # a honeypot
    "login": "quelqu.un@univ-exemple.fr",
    "ine": "0123456789A",
    "number": "1",
    "code": "123456",
    "search": "durand",
    "text": "Un texte plausible.",
    "textarea": "Un texte plausible, sur deux lignes.\nVoilà.",
}
PLAUSIBLE |= {"birth_date_day": "29", "birth_date_month": "2", "birth_date_year": "1984", "date": "2026-01-31"}


@dataclass
class RenderedField:
    name: str
    kind: str
    autocomplete: str = ""
    offered: list[str] = field(default_factory=list)
    value: str = ""
    #: False for a parameter that the view reads and the page does not show.
    is_asked: bool = True

    def plausible(self) -> str:
        if self.kind in CHOICES:
            return next((one for one in reversed(self.offered) if one), "")
        if self.kind == "hidden":
            return self.value
        return PLAUSIBLE.get(self.name, self.value or PLAUSIBLE.get(self.kind, PLAUSIBLE["text"]))


class RenderedForm(NamedTuple):
    action: str
    method: str
    fields: dict[str, RenderedField]

    def answers(self) -> dict[str, str]:
        fields = ((name, one) for name, one in self.fields.items() if one.kind != "submit" and one.is_asked)
        return {name: one.plausible() for name, one in fields if name != CSRF}


def elements_in(element: Element) -> Iterator[tuple[str, dict[str, str]]]:
    """Each element with its attributes, in the order of the page."""
    yield element.name, {name: value or "" for name, value in element.attributes}
    for child in element.children:
        if isinstance(child, Element):
            yield from elements_in(child)


def forms_of(html: str, path: str) -> list[RenderedForm]:
    """The forms of a page at this path; an element of no form counts for the one before it."""
    found: list[RenderedForm] = []
    last = RenderedField("", "")
    for tag, given in elements_in(parse_html(html)):
        if tag == "form":
            found.append(RenderedForm(given.get("action") or path, given.get("method", "get").lower(), {}))
        elif tag == "option":
            last.offered.append(given.get("value", ""))
        elif tag in ("input", "select", "textarea", "button") and given.get("name"):
            kind = {"input": given.get("type", "text"), "button": "submit"}.get(tag, tag)
            last = found[-1].fields.setdefault(given["name"], RenderedField(given["name"], kind))
            last.autocomplete = given.get("autocomplete", "")
            if kind not in CHOICES:
                last.value = given.get("value", "")
            elif kind != "select":
                last.offered.append(given.get("value", "on"))
    return found


class InlineCodeParser:
    """Inline code, which a strict CSP stops."""

    def __init__(self, html: str) -> None:
        self.found: list[str] = []
        for tag, given in elements_in(parse_html(html)):
            self.found += [tag] if tag == "style" or (tag == "script" and "src" not in given) else []
            self.found += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
            self.found += [f"{tag} {text}" for text in given.values() if text.strip().startswith("javascript:")]
