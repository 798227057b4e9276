"""Fields that several forms of the agents' area have."""

from typing import Any

from django import forms

from core.forms.fields import ParagraphField

LONGEST_REASON = 500
SHORTEST_REASON = 10


class ReasonField(ParagraphField):
    """Why an agent does something; kept in the journal."""

    default_error_messages = {
        "required": "Écrivez la raison",
        "min_length": f"Écrivez la raison en quelques mots ({SHORTEST_REASON}\N{NO-BREAK SPACE}caractères au moins)",
        "max_length": f"La raison dépasse {LONGEST_REASON}\N{NO-BREAK SPACE}caractères",
    }

    def __init__(self, **kwargs: Any) -> None:
        limits = {"min_length": SHORTEST_REASON, "max_length": LONGEST_REASON}
        super().__init__(**{"widget": forms.Textarea(attrs={"rows": "3"}), **limits, **kwargs})
