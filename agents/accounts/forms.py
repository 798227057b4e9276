"""Forms of the account pages: search, and one for each action."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.enums import LockReason, Proof, ReleaseReason
from accounts.locking.unlock import SHORTEST_REPORT
from accounts.models import Account
from activation.enums import ResendReason
from agents.form_fields import MAX_REASON_LENGTH, ReasonField
from agents.templatetags.requests import short_name, telephone
from assistance.enums import Reason
from assistance.models import AssistanceRequest
from core.forms.fields import LineField, ParagraphField
from core.templatetags.dates import past_datetime
from journal.models import JournalEntry

MAX_REPORT_LENGTH = 2_000
EMPTY_CHOICE = ("", "Choisissez")
REVIEW_EACH = "Vérifiez chaque changement de la liste"


class AccountSearchForm(forms.Form):
    q = LineField(
        label="Nom, identifiant ou numéro RH",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"max_length": "Cherchez avec moins de mots"},
    )


class CodedReasonField(forms.ChoiceField):
    default_error_messages = {"required": "Choisissez un motif", "invalid_choice": "Choisissez un motif de la liste"}

    def __init__(self, *, choices: Sequence[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(choices=[EMPTY_CHOICE, *choices], **kwargs)


class LockForm(forms.Form):
    reason = CodedReasonField(
        label="Motif, tel que la personne le lira",
        help_text="Cette phrase est dans l’e-mail qui la prévient.",
        choices=LockReason.choices,
    )
    comment = ParagraphField(
        label="Commentaire pour vos collègues",
        help_text="Il n’est pas dans l’e-mail. La personne peut le lire dans la copie de ses données.",
        required=False,
        max_length=MAX_REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": "3"}),
        error_messages={"max_length": f"Le commentaire dépasse {MAX_REASON_LENGTH}\N{NO-BREAK SPACE}caractères"},
    )


class ResendForm(forms.Form):
    reason = CodedReasonField(label="Motif", choices=ResendReason.choices)


class SolvedRequestsField(forms.MultipleChoiceField):
    """References; one that a colleague has closed meanwhile is no error."""

    def validate(self, value: Any) -> None:
        pass


class UnlockForm(forms.Form):
    conditional_fields = ("solved",)

    reason = CodedReasonField(label="Motif du déblocage", choices=ReleaseReason.choices)
    proof = forms.ChoiceField(
        label="Comment avez-vous vérifié l’identité\N{NO-BREAK SPACE}?",
        widget=forms.RadioSelect,
        error_messages={
            "required": "Indiquez comment l’identité a été vérifiée",
            "invalid_choice": "Cette preuve ne suffit pas\N{NO-BREAK SPACE}: choisissez-en une de la liste",
        },
    )
    report = ReasonField(
        label="Compte rendu",
        help_text="Qui avez-vous eu, qu’a dit la personne, qu’avez-vous vérifié\N{NO-BREAK SPACE}? "
        "La personne peut le lire dans la copie de ses données.",
        max_length=MAX_REPORT_LENGTH,
        widget=forms.Textarea(attrs={"rows": "5"}),
        error_messages={
            "required": "Écrivez un compte rendu",
            "min_length": f"Écrivez un compte rendu de {SHORTEST_REPORT}\N{NO-BREAK SPACE}caractères au moins",
            "max_length": f"Le compte rendu dépasse {MAX_REPORT_LENGTH}\N{NO-BREAK SPACE}caractères",
        },
    )
    reviewed = forms.TypedMultipleChoiceField(
        label="Changements à vérifier avec la personne",
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": REVIEW_EACH},
    )

    solved = SolvedRequestsField(
        label="Demandes d’assistance à clôturer avec ce déblocage",
        help_text="Les demandes cochées sont résolues. Les autres restent dans la file.",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(
        self,
        *args: Any,
        account: Account,
        changes: Sequence[JournalEntry],
        requests: Sequence[AssistanceRequest],
        led_by: AssistanceRequest | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.account, self.requests = account, requests
        # mypy knows a Field here; this one is a ChoiceField (attr-defined).
        self.fields["solved"].choices = [(one.reference, _request_label(one)) for one in requests]  # type: ignore[attr-defined]
        self.fields["solved"].initial = [
            one.reference for one in requests if one == led_by or one.reason == Reason.LOCKED
        ]
        # mypy knows a Field here; this one is a ChoiceField (attr-defined).
        self.fields["proof"].choices = proofs_for(account)  # type: ignore[attr-defined]
        self.show(changes)

    def show(self, changes: Sequence[JournalEntry]) -> None:
        """Keeps the ticked boxes of the former list, and ticks no other."""
        self.changes = changes
        # mypy knows a Field here; this one is a ChoiceField (attr-defined).
        self.fields["reviewed"].choices = [(entry.pk, str(entry)) for entry in changes]  # type: ignore[attr-defined]

    def clean_reviewed(self) -> list[int]:
        reviewed: set[int] = set(self.cleaned_data["reviewed"])
        if len(reviewed) < len(self.changes):
            raise ValidationError(REVIEW_EACH, code="unticked")
        return sorted(reviewed)

    def clean_solved(self) -> list[AssistanceRequest]:
        return [one for one in self.requests if one.reference in self.cleaned_data["solved"]]


def _request_label(request: AssistanceRequest) -> str:
    words = [request.reference, request.get_reason_display(), f"reçue le {past_datetime(request.asked_at)}"]
    if request.taken_by:
        words.append(f"prise en charge par {short_name(request.taken_by)}")
    return ", ".join(words)


def proofs_for(account: Account) -> list[tuple[str, str]]:
    """The proofs that count for the account, with the number to call; no call without a number from HR."""
    proofs = [(proof.value, str(proof.label)) for proof in Proof]
    if not account.phone:
        return [(value, label) for value, label in proofs if value != Proof.CALL_BACK]
    called = f"\N{NO-BREAK SPACE}: {telephone(account.phone)}"
    return [(value, f"{label}{called}" if value == Proof.CALL_BACK else label) for value, label in proofs]


class RestoreAddressForm(forms.Form):
    change = forms.TypedChoiceField(
        label="Quel changement n’a pas été fait par la personne\N{NO-BREAK SPACE}?",
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choisissez un changement",
            "invalid_choice": "Ce changement ne peut pas, ou plus, être annulé ici",
        },
    )
    reason = ReasonField(
        label="Raison",
        help_text="Par exemple\N{NO-BREAK SPACE}: la personne, rappelée, ne connaît pas cette adresse. "
        "Elle est conservée dans le journal.",
    )

    def __init__(self, *args: Any, changes: Mapping[int, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # mypy knows a Field here; this one is a ChoiceField (attr-defined).
        self.fields["change"].choices = list(changes.items())  # type: ignore[attr-defined]
        if len(changes) == 1:
            self.fields["change"].initial = next(iter(changes))
