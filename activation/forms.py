"""Forms of the activation: one for each question."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.addresses import suggested_correction
from accounts.fields import LoginField, OutsideAddressField
from accounts.models import Account
from accounts.widgets import CheckboxInput
from activation.models import Charter

YES, NO = "yes", "no"


class FirstConnectionForm(forms.Form):
    """Who asks for a link."""

    login = LoginField(
        label=_("Votre identifiant"),
        help_text=_("C’est votre adresse universitaire, de la forme prenom.nom"),
    )


class CharterForm(forms.Form):
    """Accept the version that was on the page."""

    version = forms.CharField(widget=forms.HiddenInput)
    accepted = forms.BooleanField(
        label=_("J’ai lu la charte et je m’engage à la respecter"),
        widget=CheckboxInput,
        error_messages={"required": _("Cochez la case pour accepter la charte")},
    )

    def __init__(self, *args: Any, charter: Charter, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["version"] = charter.version
        self.charter = charter

    def clean(self) -> dict[str, Any]:
        """Refuse when another version was published while the person was reading."""
        data = super().clean() or {}
        if data.get("version") != self.charter.version:
            # Shown again with the new version, its box as nobody has ticked it yet (PRV-01).
            self.data = {"version": self.charter.version}
            raise ValidationError(
                _("La charte a changé pendant votre lecture. Lisez la nouvelle version"), code="changed"
            )
        return {**data, "charter": self.charter}


class DirectoryForm(forms.Form):
    """Yes or no, none chosen beforehand, and the box that confirms it."""

    listed = forms.ChoiceField(
        label=_("Voulez-vous apparaître dans l’annuaire public\N{NO-BREAK SPACE}?"),
        choices=[(YES, _("Oui, afficher ma fiche")), (NO, _("Non, ne pas afficher ma fiche"))],
        widget=forms.RadioSelect,
        help_text=_("Vous pourrez changer d’avis à tout moment."),
        error_messages={"required": _("Choisissez Oui ou Non"), "invalid_choice": _("Choisissez Oui ou Non")},
    )
    understood = forms.BooleanField(
        label=_("Je confirme mon choix"),
        widget=CheckboxInput,
        error_messages={"required": _("Cochez la case pour confirmer votre choix")},
    )

    def clean(self) -> dict[str, Any]:
        """Add the question and the answer as they were worded, for the record (PRV-02)."""
        data = super().clean() or {}
        if "listed" in data:
            answer = dict(self.fields["listed"].choices)[data["listed"]]  # type: ignore[attr-defined]
            data["wording"] = f"{self.fields['listed'].label} {answer}"
        return data


class MailboxForm(forms.Form):
    """Forward or not, where to, with a copy or not. What is not asked is not checked."""

    forward = forms.BooleanField(
        label=_("Rediriger mes messages vers une autre adresse"), required=False, widget=CheckboxInput
    )
    target = OutsideAddressField(
        label=_("Adresse de redirection"),
        help_text=_(
            "Par défaut, votre adresse de secours. Pour toute autre adresse, nous enverrons un lien de vérification."
        ),
        required=False,
        error_messages={
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
    conditional_fields = ("target",)

    suggestion: str | None = None
    typed_may_be_kept = False

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        if not settings.FORWARDING_ALLOWED:
            self.fields.clear()

    def clean(self) -> dict[str, Any]:
        """Ask for the address only when it is needed, and ask again when it looks mistyped."""
        data = super().clean() or {}
        if not data.get("forward"):
            self.errors.pop("target", None)
        elif data.get("target") == "":
            self.add_error("target", gettext("Saisissez l’adresse de redirection, ou décochez la redirection"))
        else:
            self._ask_about_spelling(data)
        return data

    def _ask_about_spelling(self, data: dict[str, Any]) -> None:
        """Warn but allow: the person says which spelling is right, unless the one typed is no address at all."""
        self.typed_may_be_kept = "target" in data
        suggestion = suggested_correction(data["target"] if self.typed_may_be_kept else self.data.get("target", ""))
        spelling = self.data.get("spelling")
        if suggestion is None or (spelling == "kept" and self.typed_may_be_kept):
            return
        self.errors.pop("target", None)
        if spelling == "corrected":
            data["target"] = suggestion
            return
        self.suggestion = suggestion
        message = gettext("Avez-vous voulu écrire %(suggestion)s\N{NO-BREAK SPACE}?")
        self.add_error("target", ValidationError(message, code="suggestion", params={"suggestion": suggestion}))
