"""Forms of the charter: writing a version, publishing it, deleting it."""

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
#: Part of the URL at which people read again the version that they accepted.
VERSION = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z")
#: Path segments of other pages there.
RESERVED_NAMES = frozenset({"refus"})
MARKDOWN = (
    f"Un article commence par «{NBSP}##{NBSP}», une ligne d’une liste par «{NBSP}-{NBSP}». **Gras**, "
    "[texte du lien](https://exemple.fr). Une ligne vide sépare deux paragraphes."
)
POINTS = "Un point par ligne, 4 à 6 en tout, une phrase chacun."


class CharterTextField(CleanedCharField):
    # No `maxlength`: the browser would cut a pasted text silently.

    widget = forms.Textarea(attrs={"rows": "24"})
    default_error_messages = {
        "too_long": (
            f"Ce texte est trop long. Raccourcissez-le à {LONGEST_TEXT // 1000}{NBSP}000 caractères, "
            f"et chaque ligne à 10{NBSP}000"
        )
    }

    clean_text = staticmethod(clean_charter_text)


class CharterDraftForm(forms.Form):
    """A draft may have gaps. `seen` is the fingerprint of the text that was opened."""

    # Mandatory at the publication only.
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
        version: str = self.cleaned_data["version"]
        if version in RESERVED_NAMES:
            raise ValidationError("Ce nom est réservé. Choisissez-en un autre", code="taken")
        return version

    @property
    def texts(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in Charter.TEXTS}

    @property
    def edit(self) -> dict[str, Any]:
        """The arguments of `save_draft`."""
        return {"seen": self.cleaned_data["seen"], "version": self.cleaned_data["version"], "texts": self.texts}

    def set_seen(self, fingerprint: str) -> None:
        """Take the draft as it is now for the one that was opened."""
        self.data: dict[str, Any] = {**self.data.dict(), "seen": fingerprint}  # type: ignore[attr-defined]


class PublicationForm(forms.Form):
    """`read` is the fingerprint of the preview that was read."""

    read = forms.CharField(widget=forms.HiddenInput, required=False)
    summary = ReasonField(
        label="Ce qui change, ou la raison",
        help_text=f"Par exemple{NBSP}: nouvel article sur l’IA, délibération du 12{NBSP}novembre. "
        "Les agents le lisent, et il est conservé dans le journal.",
        error_messages={"required": "Écrivez ce qui change"},
    )

    def set_read(self, fingerprint: str) -> None:
        """Take the draft that the page shows now for the one that was read."""
        self.data: dict[str, Any] = {**self.data.dict(), "read": fingerprint}  # type: ignore[attr-defined]


class DeletionForm(forms.Form):
    """`seen` is the fingerprint of the text to delete."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)
