"""Forms of forwarding: where to, and with a copy or not."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.forms import AccountForm, ConfirmedForm
from accounts.models import Account
from core.email_addresses import InvalidAddress
from core.forms.fields import DID_YOU_MEAN, CleanedCharField, ExternalAddressField
from core.forms.widgets import CheckboxInput
from core.text import InvalidText
from mailrouting.domains import forwarding_address, may_receive, suggested_target
from mailrouting.models import Redirection


class ForwardingAddressField(ExternalAddressField):
    """An address that mail may be forwarded to."""

    clean_text = staticmethod(forwarding_address)

    def error(self, refusal: InvalidAddress | InvalidText, typed: str) -> ValidationError:
        """The reason of the refusal, rather than a suggestion that would be refused as well."""
        if suggested_target(typed) is None:
            return CleanedCharField.error(self, refusal, typed)
        return super().error(refusal, typed)


class TargetForm(AccountForm):
    """Where to forward, with a copy or not; asks again when the address looks mistyped."""

    target = ForwardingAddressField(
        label=_("Adresse de redirection"),
        help_text=_(
            "Par défaut, votre adresse de secours. Pour toute autre adresse, nous enverrons un lien de vérification."
        ),
        error_messages={
            "required": _("Saisissez l’adresse de redirection"),
            "incomplete": _("Complétez l’adresse de redirection, par exemple nom@exemple.net"),
            "university": _("L’adresse de redirection doit être différente de votre adresse universitaire"),
        },
    )
    keep_copy = forms.BooleanField(
        label=_("Garder une copie dans ma boîte universitaire"),
        help_text=_("Sans copie, un message refusé par votre fournisseur est perdu."),
        required=False,
        widget=CheckboxInput,
    )

    suggestion: str | None = None
    typed_may_be_kept = False

    def ask_about_spelling(self, data: dict[str, Any]) -> None:
        """Warn but allow: the person says which spelling is right, unless the one typed is no address at all."""
        self.typed_may_be_kept = "target" in data
        suggestion = suggested_target(data["target"] if self.typed_may_be_kept else self.data.get("target", ""))
        spelling = self.data.get("spelling")
        if suggestion is None or (spelling == "kept" and self.typed_may_be_kept):
            return
        self.errors.pop("target", None)
        if spelling == "corrected":
            data["target"] = suggestion
            return
        self.suggestion = suggestion
        self.add_error("target", ValidationError(DID_YOU_MEAN, code="suggestion", params={"suggestion": suggestion}))


class MailboxForm(TargetForm):
    """Step 4 of the activation: forward or not. What is not asked is not checked."""

    forward = forms.BooleanField(
        label=_("Rediriger mes messages vers une autre adresse"), required=False, widget=CheckboxInput
    )
    field_order = ("forward", "target", "keep_copy")
    conditional_fields = ("target",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if settings.FORWARDING_ALLOWED:
            self.fields["target"].required = False
        else:
            self.fields.clear()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("forward"):
            self.errors.pop("target", None)
        elif data.get("target") == "":
            self.add_error("target", gettext("Saisissez l’adresse de redirection, ou décochez la redirection"))
        else:
            self.ask_about_spelling(data)
        return data


class RedirectionForm(ConfirmedForm, TargetForm):
    """Forwarding after the activation: asks for the password, unless it was given a moment ago."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self.ask_about_spelling(data)
        return data


def answer_of(account: Account, redirection: Redirection | None) -> dict[str, Any]:
    """The decision taken before, as the forms show it; else the recovery address, if it may be used, with a copy."""
    if redirection is not None and redirection.is_wanted:
        return {"target": redirection.target, "keep_copy": redirection.keep_copy}
    offered = account.recovery_address if may_receive(account.recovery_address) else ""
    return {"target": offered, "keep_copy": True}
