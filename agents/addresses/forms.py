"""Forms about recovery addresses."""

from typing import Any

from django import forms

from accounts.forms import NewRecoveryAddressForm
from agents.accounts.forms import proofs_for
from agents.form_fields import ReasonField
from agents.second_factor.forms import ConfirmedByCodeForm
from core.forms.fields import ADDRESS_ATTRIBUTES, ExternalAddressField


def address_field() -> ExternalAddressField:
    """Without autocompletion: agents type the addresses of others."""
    return ExternalAddressField(
        label="Nouvelle adresse de secours",
        help_text="Une adresse personnelle, extérieure à l’université. Relisez-la avec la personne.",
        widget=forms.EmailInput(attrs={**ADDRESS_ATTRIBUTES, "autocomplete": "off"}),
        error_messages={
            "required": "Saisissez la nouvelle adresse de secours",
            "university": "L’adresse de secours doit être une adresse extérieure à l’université",
        },
    )


class CorrectionForm(NewRecoveryAddressForm):
    """For an account that was never used."""

    present_address_refusal = "C’est déjà l’adresse de secours de ce compte"

    address = address_field()
    reason = ReasonField(
        label="Raison",
        help_text="Par exemple\N{NO-BREAK SPACE}: faute de frappe dans le fichier RH. "
        "Elle est conservée dans le journal.",
    )


class ReplacementForm(NewRecoveryAddressForm):
    """For an account in use: with a proof, for a second agent to approve."""

    present_address_refusal = CorrectionForm.present_address_refusal

    address = address_field()
    proof = forms.ChoiceField(
        label="Comment avez-vous vérifié l’identité\N{NO-BREAK SPACE}?",
        help_text="Une date de naissance ou un numéro INE ne prouvent rien.",
        widget=forms.RadioSelect,
        error_messages={
            "required": "Indiquez comment l’identité a été vérifiée",
            "invalid_choice": "Cette preuve ne suffit pas\N{NO-BREAK SPACE}: choisissez-en une de la liste",
        },
    )
    reason = ReasonField(
        label="Compte rendu",
        help_text="Ce que la personne a dit, ce que vous avez vérifié. L’agent qui approuve le lit\N{NO-BREAK SPACE}; "
        "la personne aussi, dans la copie de ses données.",
        error_messages={
            "required": "Écrivez un compte rendu",
            "min_length": "Écrivez un compte rendu de quelques mots (10\N{NO-BREAK SPACE}caractères au moins)",
            "max_length": "Le compte rendu dépasse 500\N{NO-BREAK SPACE}caractères",
        },
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # mypy knows a Field here; this one is a ChoiceField (attr-defined).
        self.fields["proof"].choices = proofs_for(self.account)  # type: ignore[attr-defined]


class AddressApprovalForm(ConfirmedByCodeForm):
    """Nothing but the code, when none was just given."""


class CancellationForm(forms.Form):
    reason = ReasonField(label="Raison", help_text="L’agent qui a proposé l’adresse la lit au journal du compte.")


class DismissalForm(forms.Form):
    reason = ReasonField(
        label="Raison",
        help_text="Par exemple\N{NO-BREAK SPACE}: la personne garde l’adresse de son choix. "
        "Elle est conservée dans le journal.",
    )
