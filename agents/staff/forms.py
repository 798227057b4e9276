from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.enums import State
from accounts.models import Account
from agents.form_fields import ReasonField
from agents.roles import Role
from agents.second_factor.forms import ConfirmedByCodeForm
from core.forms.fields import LoginField

KEPT = "Elle est conservée dans le journal."
ALREADY_AGENT = "C’est déjà un agent\N{NO-BREAK SPACE}: changez son rôle depuis la liste"
NOT_ACTIVE = {
    State.PENDING: "Ce compte n’est pas encore activé\N{NO-BREAK SPACE}: la personne doit d’abord l’activer",
    State.LOCKED: "Ce compte est bloqué\N{NO-BREAK SPACE}: il faut d’abord le débloquer",
    State.TO_REACTIVATE: "Ce compte attend que la personne choisisse un nouveau mot de passe",
    State.CLOSED: "Ce compte est fermé",
}
#: What `agents.roles` allows each role to do.
DESCRIPTIONS = {
    Role.LECTURE: "Lecture\N{NO-BREAK SPACE}: voit les comptes et les demandes, ne change rien",
    Role.ASSISTANCE: (
        "Assistance\N{NO-BREAK SPACE}: traite les demandes, bloque et débloque les comptes, renvoie les liens"
    ),
    Role.RESPONSABLES: (
        "Responsables\N{NO-BREAK SPACE}: comme Assistance, et corrige les adresses de secours, importe le fichier RH, "
        "publie la charte, exporte, gère les agents, confirme les fermetures retenues"
    ),
}


class EnrolmentCodeForm(ConfirmedByCodeForm):
    reason = ReasonField(
        label="Raison",
        help_text=f"Par exemple\N{NO-BREAK SPACE}: nouvel agent, ou téléphone perdu, vu en personne. {KEPT}",
    )


class RoleField(forms.ChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        choices = [(role.value, description) for role, description in DESCRIPTIONS.items()]
        errors = {"required": "Choisissez un rôle", "invalid_choice": "Choisissez un rôle de la liste"}
        super().__init__(label="Rôle", choices=choices, widget=forms.RadioSelect, error_messages=errors, **kwargs)

    def clean(self, value: Any) -> Role:
        return Role(super().clean(value))


class RoleForm(ConfirmedByCodeForm):
    role = RoleField()
    reason = ReasonField(label="Raison", help_text=f"Par exemple\N{NO-BREAK SPACE}: changement de service. {KEPT}")

    def __init__(self, *args: Any, former: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.former = former

    def clean_role(self) -> Role:
        role: Role = self.cleaned_data["role"]
        if role.value == self.former:
            raise ValidationError("C’est déjà son rôle", code="same")
        return role


class AppointmentForm(RoleForm):
    """A new agent; `person` is set once the form is valid."""

    login = LoginField(
        label="Identifiant",
        help_text="Celui d’un compte actif, par exemple nadia.lefevre.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
        error_messages={"required": "Saisissez l’identifiant du futur agent"},
    )
    reason = ReasonField(label="Raison", help_text=f"Par exemple\N{NO-BREAK SPACE}: arrivée dans l’équipe. {KEPT}")
    field_order = ("login", "role", "reason")

    person: Account

    def clean_login(self) -> str:
        login: str = self.cleaned_data["login"]
        account = Account.objects.with_lock().filter(institutional_address=login).first()
        if account is None:
            raise ValidationError("Aucun compte n’a cet identifiant", code="unknown")
        if account.is_staff:
            raise ValidationError(ALREADY_AGENT, code="agent")
        if account.state != State.ACTIVE:
            raise ValidationError(NOT_ACTIVE[account.state], code="state")
        self.person = account
        return login


class WithdrawalForm(ConfirmedByCodeForm):
    reason = ReasonField(label="Raison", help_text=f"Par exemple\N{NO-BREAK SPACE}: départ du service. {KEPT}")
