"""The forms of a page, parsed from its HTML."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple

from tests.factories import A_GOOD_PASSWORD

ANOTHER_PASSWORD = "une-phrase-du-bureau-bleu"
CSRF = "csrfmiddlewaretoken"
#: Acceptable answers by name, else by type.
PLAUSIBLE = {
    "current_password": A_GOOD_PASSWORD,
    # A honeypot.
    "website": "",
    "password": ANOTHER_PASSWORD,
    "password2": ANOTHER_PASSWORD,
    "email": "encore.ailleurs@exemple.org",
    "contact_address": "encore.ailleurs@exemple.org",
    "address": "encore.ailleurs@exemple.org",
    "target": "encore.ailleurs@exemple.org",
    "tel": "06 12 34 56 78",
    "phone": "06 12 34 56 78",
    "login": "quelqu.un@univ-exemple.fr",
    "ine": "0123456789A",
    "birth_date_day": "29",
    "birth_date_month": "2",
    "birth_date_year": "1984",
    "date": "2026-01-31",
    "number": "1",
    "code": "123456",
    "search": "durand",
    "text": "Un texte plausible.",
    "textarea": "Un texte plausible, sur deux lignes.\nVoilà.",
}
CHOICES = ("radio", "select", "checkbox", "submit")


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
        if self.name in PLAUSIBLE:
            return PLAUSIBLE[self.name]
        return self.value or PLAUSIBLE.get(self.kind, PLAUSIBLE["text"])


class RenderedForm(NamedTuple):
    action: str
    method: str
    fields: dict[str, RenderedField]

    def answers(self) -> dict[str, str]:
        return {name: one.plausible() for name, one in self.fields.items() if one.kind != "submit" and one.is_asked}


class FormParser(HTMLParser):
    def __init__(self, html: str, path: str) -> None:
        super().__init__()
        self.path = path
        self.found: list[RenderedForm] = []
        self.select: RenderedField | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = given.get("action") or self.path
            self.found.append(RenderedForm(action, given.get("method", "get").lower(), {}))
        elif tag == "option" and self.select:
            self.select.offered.append(given.get("value", ""))
        elif tag in ("input", "select", "textarea", "button") and given.get("name"):
            self._ask(tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = None

    def _ask(self, tag: str, given: dict[str, str]) -> None:
        kind = {"input": given.get("type", "text"), "button": "submit"}.get(tag, tag)
        one = self.found[-1].fields.setdefault(given["name"], RenderedField(given["name"], kind))
        one.autocomplete = given.get("autocomplete", "")
        if kind in CHOICES:
            one.offered.append(given.get("value", "on"))
        one.value = given.get("value", "") if kind not in CHOICES else ""
        self.select = one if tag == "select" else None


def forms_of(html: str, path: str) -> list[RenderedForm]:
    return FormParser(html, path).found


class InlineCodeParser(HTMLParser):
    """Inline code, which a strict CSP stops."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        self.found += [f"{tag} {value}" for value in given.values() if (value or "").strip().startswith("javascript:")]
