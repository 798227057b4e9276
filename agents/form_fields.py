from typing import Any

from django import forms

from core.forms.fields import ParagraphField

MAX_REASON_LENGTH = 500
MIN_REASON_LENGTH = 10


class ReasonField(ParagraphField):
    """The reason of an action, kept in the journal."""

    default_error_messages = {
        "required": "Écrivez la raison",
        "min_length": f"Écrivez la raison en quelques mots ({MIN_REASON_LENGTH}\N{NO-BREAK SPACE}caractères au moins)",
        "max_length": f"La raison dépasse {MAX_REASON_LENGTH}\N{NO-BREAK SPACE}caractères",
    }

    def __init__(self, **kwargs: Any) -> None:
        limits = {"min_length": MIN_REASON_LENGTH, "max_length": MAX_REASON_LENGTH}
        super().__init__(**{"widget": forms.Textarea(attrs={"rows": "3"}), **limits, **kwargs})
