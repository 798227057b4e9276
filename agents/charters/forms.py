"""Forms of the charter: writing a version, publishing it, throwing it away."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from activation.charter.rendering import LONGEST_TEXT, clean_charter_text
from activation.models import Charter
from agents.form_fields import ReasonField
from core.forms.fields import CleanedCharField, LineField, ParagraphField

NBSP = "\N{NO-BREAK SPACE}"
LONGEST_VERSION = 40
#: It stands in the address at which people read again what they accepted.
VERSION = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z")
#: Stands there for something else.
TAKEN_WORDS = frozenset({"refus"})
MARKDOWN = (
    f"Un article commence par «{NBSP}##{NBSP}», une ligne d’une liste par «{NBSP}-{NBSP}». **Gras**, "
    "[texte du lien](https://exemple.fr). Une ligne vide sépare deux paragraphes."
)
POINTS = "Un point par ligne, 4 à 6 en tout, une phrase chacun."


class CharterTextField(CleanedCharField):
    """A whole text, in Markdown. No `maxlength`: the browser would cut what is pasted without a word."""

    widget = forms.Textarea(attrs={"rows": "24"})
    default_error_messages = {
        "too_long": (
            f"Ce texte est trop long. Raccourcissez-le à {LONGEST_TEXT // 1000}{NBSP}000 caractères, "
            f"et chaque ligne à 10{NBSP}000"
        )
    }

    clean_text = staticmethod(clean_charter_text)


class CharterDraftForm(forms.Form):
    """One version in both languages; a draft may have gaps. `seen` is the fingerprint of what was opened."""

    # Their labels say what each is for; none is mandatory before the publication.
    conditional_fields = Charter.TEXTS

    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    version = LineField(
        label="Nom de la version",
        help_text="Par exemple 2026-09. Les personnes le lisent, et il ne change plus après la publication.",
        max_length=LONGEST_VERSION,
        widget=forms.TextInput(attrs={"class": "w-20", "autocomplete": "off", "spellcheck": "false"}),
        validators=[
            RegexValidator(
                VERSION, f"Écrivez des lettres sans accent, des chiffres, des points et des tirets{NBSP}: 2026-09"
            )
        ],
        error_messages={
            "required": "Donnez un nom à la version, par exemple 2026-09",
            "max_length": f"Ce nom dépasse {LONGEST_VERSION}{NBSP}caractères",
        },
    )
    key_points_fr = ParagraphField(
        label="L’essentiel, en français",
        help_text=POINTS,
        required=False,
        widget=forms.Textarea(attrs={"rows": "6"}),
        error_messages={"too_long": f"L’essentiel dépasse 10{NBSP}000 caractères. Raccourcissez-le"},
    )
    text_fr = CharterTextField(label="Texte complet, en français", help_text=MARKDOWN, required=False)
    key_points_en = ParagraphField(
        label="L’essentiel, en anglais",
        help_text=POINTS,
        required=False,
        widget=forms.Textarea(attrs={"rows": "6", "lang": "en"}),
        error_messages={"too_long": f"L’essentiel dépasse 10{NBSP}000 caractères. Raccourcissez-le"},
    )
    text_en = CharterTextField(
        label="Texte complet, en anglais",
        help_text=MARKDOWN,
        required=False,
        widget=forms.Textarea(attrs={"rows": "24", "lang": "en"}),
    )

    def clean_version(self) -> str:
        """A name that has an address."""
        version: str = self.cleaned_data["version"]
        if version in TAKEN_WORDS:
            raise ValidationError("Ce nom est réservé. Choisissez-en un autre", code="taken")
        return version

    @property
    def texts(self) -> dict[str, str]:
        """What is to be saved beside the name."""
        return {name: self.cleaned_data[name] for name in Charter.TEXTS}

    def saw(self, fingerprint: str) -> None:
        """Take the draft as it is now for what was opened: whoever sends the form again has been told."""
        self.data: dict[str, Any] = {**self.data.dict(), "seen": fingerprint}  # type: ignore[attr-defined]


class PublicationForm(forms.Form):
    """What changes, and the fingerprint of the preview that was read."""

    read = forms.CharField(widget=forms.HiddenInput, required=False)
    summary = ReasonField(
        label="Ce qui change, ou la raison",
        help_text=f"Par exemple{NBSP}: nouvel article sur l’IA, délibération du 12{NBSP}novembre. "
        "Les agents le lisent, et il reste au journal.",
        error_messages={"required": "Écrivez ce qui change"},
    )

    def read_now(self, fingerprint: str) -> None:
        """Take what the page shows now for what is read."""
        self.data: dict[str, Any] = {**self.data.dict(), "read": fingerprint}  # type: ignore[attr-defined]


class DeletionForm(forms.Form):
    """The fingerprint of what is thrown away."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)
