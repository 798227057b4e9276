from typing import Any

from django import forms

from agents.form_fields import ReasonField
from agents.second_factor.forms import ConfirmedByCodeForm

KEPT = "Elle est conservée dans le journal."
READ_AGAIN = "Relisez la liste, puis confirmez"


class OpeningForm(ConfirmedByCodeForm):
    reason = ReasonField(
        label="Raison",
        help_text=f"Par exemple\N{NO-BREAK SPACE}: suspension restée après une restauration. {KEPT}",
    )


class ClosingsForm(ConfirmedByCodeForm):
    reason = ReasonField(
        label="Raison", help_text=f"Par exemple\N{NO-BREAK SPACE}: fin de l’année, vue avec les RH. {KEPT}"
    )
    #: Of the closings that the page showed.
    number = forms.IntegerField(
        min_value=1,
        max_value=10_000_000,
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), READ_AGAIN),
    )

    def set_number(self, number: int) -> None:
        """The page is shown again, with another number."""
        self.data: dict[str, Any] = {**self.data.dict(), "number": number}  # type: ignore[attr-defined]
