"""Forms of the public directory: being listed or not, and searching."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.forms.fields import CleanedCharField
from core.forms.widgets import CheckboxInput
from core.text import InvalidText, clean_line
from directory.models import DirectoryConsent

YES, NO = "yes", "no"

#: Longest text that is looked for, in characters; what comes after it is not even read.
LONGEST_QUERY = 80
TWO_LETTERS = re.compile(r"[^\W\d_]{2}")
TOO_SHORT = _("Saisissez au moins 2 lettres")


def searchable_line(typed: str) -> str:
    """The line to look for. Raises InvalidText when it is too long, has an invisible character, or no two letters
    in a row: one letter would list half of the university."""
    if len(typed) > LONGEST_QUERY:
        raise InvalidText(_("Ce texte est trop long. Raccourcissez-le"), code="too_long")
    line = clean_line(typed)
    if not TWO_LETTERS.search(line):
        raise InvalidText(TOO_SHORT, code="too_short")
    return line


class NameField(CleanedCharField):
    """A name, or part of one, to look for."""

    widget = forms.SearchInput(attrs={"maxlength": LONGEST_QUERY, "autocapitalize": "words", "spellcheck": "false"})
    default_error_messages = {"required": TOO_SHORT}

    clean_text = staticmethod(searchable_line)


class SearchForm(forms.Form):
    """Who is looked for. Short names: they stand in the address of the page."""

    q = NameField(label=_("Nom ou prénom"))


class DirectoryForm(forms.Form):
    """Yes or no, none chosen beforehand, and the box that confirms it."""

    listed = forms.ChoiceField(
        label=_("Voulez-vous apparaître dans l’annuaire public\N{NO-BREAK SPACE}?"),
        choices=[(YES, _("Oui, afficher ma fiche")), (NO, _("Non, ne pas afficher ma fiche"))],
        widget=forms.RadioSelect,
        help_text=_("Vous pourrez changer d’avis à tout moment."),
        error_messages={"required": _("Choisissez Oui ou Non"), "invalid_choice": _("Choisissez Oui ou Non")},
    )
    understood = forms.BooleanField(
        label=_("Je confirme mon choix"),
        widget=CheckboxInput,
        error_messages={"required": _("Cochez la case pour confirmer votre choix")},
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "listed" in data:
            answer = dict(self.fields["listed"].choices)[data["listed"]]  # type: ignore[attr-defined]
            data["wording"] = f"{self.fields['listed'].label} {answer}"
        return data


def answer_of(decision: DirectoryConsent | None) -> dict[str, str]:
    """The decision as the form shows it; neither yes nor no before there is one."""
    if decision is None:
        return {}
    return {"listed": YES if decision.listed else NO}
