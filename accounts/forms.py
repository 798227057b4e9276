"""Forms of an account: sign in, choose a new password."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from accounts.fields import ADDRESS_ATTRIBUTES
from accounts.limits import LimitReached
from accounts.models import Account
from accounts.passwords import PASSWORDRULES, RULES, normalise_password
from accounts.sign_in import AccountIsLocked, SignInRefused, identify

PASSWORD_ATTRIBUTES = {"autocapitalize": "none", "autocorrect": "off", "spellcheck": "false"}


class SignInForm(forms.Form):
    """Login and password; `account` is who they are once the form is valid."""

    login = forms.CharField(
        label=_("Identifiant"),
        help_text=_("Votre adresse universitaire, de la forme prenom.nom"),
        widget=forms.TextInput(attrs={**ADDRESS_ATTRIBUTES, "autocomplete": "username"}),
        error_messages={"required": _("Saisissez votre identifiant")},
    )
    password = forms.CharField(
        label=_("Mot de passe"),
        strip=False,
        widget=forms.PasswordInput(attrs={**PASSWORD_ATTRIBUTES, "autocomplete": "current-password"}),
        error_messages={"required": _("Saisissez votre mot de passe")},
    )

    account: Account
    is_locked = False
    retry_after = 0

    def clean(self) -> dict[str, Any]:
        """One message for every failure (ENU-02), and for too many of them, whoever the account belongs to."""
        data = super().clean() or {}
        if not self.errors:
            self._identify(data)
        return data

    def _identify(self, data: dict[str, Any]) -> None:
        try:
            self.account = identify(login=data["login"], password=data["password"])
        except AccountIsLocked:
            self.is_locked = True
            raise self._refusal() from None
        except SignInRefused:
            raise self._refusal() from None
        except LimitReached as reached:
            self.retry_after = reached.retry_after
            raise self._too_many() from None

    def _too_many(self) -> ValidationError:
        minutes = -(-self.retry_after // 60)
        message = ngettext_lazy(
            "Trop d’essais. Réessayez dans %(minutes)s minute",
            "Trop d’essais. Réessayez dans %(minutes)s minutes",
            minutes,
        )
        return ValidationError(message, code="too-many", params={"minutes": minutes})

    def _refusal(self) -> ValidationError:
        return ValidationError(
            _("L’identifiant ou le mot de passe ne correspond pas. Vérifiez les majuscules et le clavier"),
            code="refused",
        )


class NewPasswordForm(forms.Form):
    """A new password under the rules; the second field exists without JavaScript only."""

    password = forms.CharField(
        label=_("Choisissez un mot de passe"),
        help_text=_(
            "Le plus simple à retenir\N{NO-BREAK SPACE}: une phrase de plusieurs mots sans lien entre eux. "
            "Espaces et accents sont permis. Vous pouvez coller un mot de passe."
        ),
        strip=False,
        widget=forms.PasswordInput(
            attrs={**PASSWORD_ATTRIBUTES, "autocomplete": "new-password", "passwordrules": PASSWORDRULES}
        ),
        error_messages={"required": _("Choisissez un mot de passe")},
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        # Shown under the field by its template (`config.forms`).
        self.fields["password"].rules = RULES  # type: ignore[attr-defined]

    def clean_password(self) -> str:
        """The normalised password, when it follows the rules and was typed twice alike (if it was asked twice)."""
        password = normalise_password(self.cleaned_data["password"])
        validate_password(password, self.account)
        again = self.data.get(self.add_prefix("password2"))
        if again is not None and normalise_password(again) != password:
            raise ValidationError(_("Les deux saisies sont différentes"), code="different")
        return password
