"""Forms of the search and of the actions on requests."""

import re
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from assistance.enums import CLOSED, CallOutcome, Fact, RequestState
from assistance.form_fields import WHOLE_DATE, DescriptionField, clean_ine
from core.forms.fields import LineField
from core.text import BLANKS, InvalidText

MAX_NOTE_LENGTH = 2_000
DIGITS_ONLY = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{4})")
CLOSING_CHOICES = [(state.value, state.label) for state in CLOSED]


class NoteField(DescriptionField):
    """A note that colleagues read."""

    default_error_messages = {
        "required": "Écrivez la note",
        "max_length": "La note dépasse 2\N{NO-BREAK SPACE}000 caractères (vous en avez %(show_value)d)",
        "too_long": "La note dépasse 2\N{NO-BREAK SPACE}000 caractères",
    }

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": "3"})
        label = "Note" if kwargs.get("required", True) else "Note (facultative)"
        super().__init__(**{"label": label, "widget": widget, "max_length": MAX_NOTE_LENGTH, **kwargs})


class FactField(LineField):
    """A birth date or an INE said on the telephone, cleaned to a pair of Fact and value; None when empty."""

    def to_python(self, value: Any) -> Any:
        typed = super().to_python(value).strip(BLANKS)
        if not typed:
            return None
        if found := WHOLE_DATE.fullmatch(typed) or DIGITS_ONLY.fullmatch(typed):
            return Fact.BIRTH_DATE, self._date(*found.groups())
        try:
            return Fact.INE, clean_ine(typed)
        except InvalidText as refusal:
            raise ValidationError(self.error_messages["neither"], code="neither") from refusal

    def _date(self, day: str, month: str, year: str) -> date:
        try:
            return date(int(year), int(month), int(day))
        except ValueError as error:
            raise ValidationError(self.error_messages["impossible"], code="impossible") from error


class RequestSearchForm(forms.Form):
    q = LineField(
        label="Référence, nom ou identifiant",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"max_length": "Cherchez avec moins de mots"},
    )


class EmptyForm(forms.Form):
    """For actions that are a button."""


class TakeOverForm(forms.Form):
    """The agent whom the page showed as the holder."""

    holder = forms.IntegerField(widget=forms.HiddenInput, error_messages={"required": "Rechargez la page"})


class CallForm(forms.Form):
    conditional_fields = ("note",)

    outcome = forms.ChoiceField(
        label="Comment l’appel s’est-il terminé\N{NO-BREAK SPACE}?",
        choices=CallOutcome.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choisissez le résultat de l’appel", "invalid_choice": "Choisissez un résultat"},
    )
    note = NoteField(required=False)

    def clean_outcome(self) -> CallOutcome:
        return CallOutcome(self.cleaned_data["outcome"])


class NoteForm(forms.Form):
    note = NoteField()


class AnswerForm(forms.Form):
    answer = FactField(
        label="Date de naissance ou numéro INE indiqué par la personne",
        help_text="Par exemple 27/3/1985. L’écran dit seulement si la réponse correspond. Elle n’est pas conservée.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "w-20"}),
        error_messages={
            "required": "Saisissez ce que la personne indique",
            "neither": "Saisissez une date, par exemple 27/3/1985, ou un numéro INE de 11 caractères",
            "impossible": "Cette date n’existe pas",
        },
    )


class AttachForm(forms.Form):
    name = LineField(
        label="Identifiant du compte",
        help_text="L’adresse universitaire ou l’identifiant court",
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
        error_messages={
            "required": "Saisissez l’identifiant du compte",
            "max_length": "Aucun compte n’a cet identifiant",
            "unknown": "Aucun compte n’a cet identifiant",
        },
    )


class CloseForm(forms.Form):
    conditional_fields = ("note",)

    outcome = forms.ChoiceField(
        label="Comment la demande se termine-t-elle\N{NO-BREAK SPACE}?",
        choices=CLOSING_CHOICES,
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choisissez comment la demande se termine",
            "invalid_choice": "Choisissez comment la demande se termine",
        },
    )
    note = NoteField(required=False, help_text="Pour une demande sans suite, écrivez pourquoi.")

    def clean_outcome(self) -> RequestState:
        return RequestState(self.cleaned_data["outcome"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("outcome") == RequestState.REFUSED and not data.get("note") and "note" not in self.errors:
            self.add_error("note", ValidationError("Écrivez pourquoi la demande reste sans suite", code="required"))
        return data
