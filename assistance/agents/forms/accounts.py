"""Forms about accounts: finding one, and the acts on it."""

from django import forms

from accounts.fields import LineField


class AccountSearchForm(forms.Form):
    """Whom an agent looks for."""

    q = LineField(
        label="Nom, identifiant ou numéro RH",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"max_length": "Cherchez avec moins de mots"},
    )
