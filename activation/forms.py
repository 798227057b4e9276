"""Forms of the activation: one for each question."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from activation.models import Charter
from core.forms.fields import LoginField
from core.forms.widgets import CheckboxInput


class FirstConnectionForm(forms.Form):
    login = LoginField(
        label=_("Votre identifiant"),
        help_text=_("C’est votre adresse universitaire, de la forme prenom.nom"),
    )


class CharterForm(forms.Form):
    """Accept the version that was on the page."""

    version = forms.CharField(widget=forms.HiddenInput)
    accepted = forms.BooleanField(
        label=_("J’ai lu la charte et je m’engage à la respecter"),
        widget=CheckboxInput,
        error_messages={"required": _("Cochez la case pour accepter la charte")},
    )

    def __init__(self, *args: Any, charter: Charter, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["version"] = charter.version
        self.charter = charter

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("version") != self.charter.version:
            # Show the new version with an empty box.
            self.data = {"version": self.charter.version}
            raise ValidationError(
                _("La charte a changé pendant votre lecture. Lisez la nouvelle version"), code="changed"
            )
        return {**data, "charter": self.charter}
