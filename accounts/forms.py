from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.auth.login import AccountIsLocked, LoginRefused, authenticate, log_in
from accounts.models import Account
from accounts.passwords import PASSWORDRULES, RULES, normalise_password
from core.email_addresses import is_university_address, same_address, suggested_correction
from core.forms.fields import ADDRESS_ATTRIBUTES, DID_YOU_MEAN, THE_PASSWORD, ExternalAddressField, PasswordField
from core.rate_limits import RateLimitExceeded
from core.templatetags.dates import past_datetime
from core.text import ErrorMessage


def rate_limit_error(reached: RateLimitExceeded) -> ValidationError:
    # Rounded up to the minute that is shown.
    again = timezone.now() + timedelta(seconds=reached.retry_after + 59)
    message = _("Trop d’essais. Vous pourrez réessayer le %(moment)s, ou choisir un nouveau mot de passe par e-mail")
    return ValidationError(message, code="too-many", params={"moment": past_datetime(again)})


class LoginForm(forms.Form):
    """Sets `account` when it is valid."""

    login = forms.CharField(
        label=_("Identifiant"),
        help_text=_("Votre adresse universitaire, de la forme prenom.nom"),
        widget=forms.TextInput(attrs={**ADDRESS_ATTRIBUTES, "autocomplete": "username"}),
        error_messages={"required": _("Saisissez votre identifiant")},
    )
    password = PasswordField(
        label=_("Mot de passe"),
        autocomplete="current-password",
        error_messages={"required": _("Saisissez votre mot de passe")},
    )

    account: Account
    locked_account: Account | None = None
    retry_after = 0

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            self._log_in(data)
        return data

    def _log_in(self, data: dict[str, Any]) -> None:
        try:
            self.account = log_in(login=data["login"], password=data["password"])
        except AccountIsLocked as refused:
            self.locked_account = refused.account
            raise self._refusal() from None
        except LoginRefused:
            raise self._refusal() from None
        except RateLimitExceeded as reached:
            self.retry_after = reached.retry_after
            raise rate_limit_error(reached) from None

    def _refusal(self) -> ValidationError:
        return ValidationError(
            _("Identifiant ou mot de passe incorrect. Vérifiez la touche majuscule"),
            code="refused",
        )


class AccountForm(forms.Form):
    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account


class ConfirmedForm(AccountForm):
    """A sensitive form: asks for the password unless it is `confirmed` in the session.

    The field is part of the form, so that nothing typed is lost when the confirmation expires meanwhile.
    """

    current_password = PasswordField(
        label=_("Mot de passe actuel"),
        help_text=_("Pour vérifier que c’est bien vous."),
        autocomplete="current-password",
        spoken_name=_("le mot de passe actuel"),
        error_messages={"required": _("Saisissez votre mot de passe actuel")},
    )

    retry_after = 0

    def __init__(self, *args: Any, confirmed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if confirmed:
            del self.fields["current_password"]
        else:
            self.order_fields([name for name in self.fields if name != "current_password"])

    def clean_current_password(self) -> str:
        """Shares the rate limits of the login page."""
        password: str = self.cleaned_data["current_password"]
        try:
            authenticate(login=self.account.login, password=password)
        except LoginRefused:
            raise ValidationError(_("Le mot de passe actuel ne correspond pas"), code="refused") from None
        except RateLimitExceeded as reached:
            self.retry_after = reached.retry_after
            raise rate_limit_error(reached) from None
        return password


def new_password_field(label: str | Promise, spoken_name: str | Promise) -> PasswordField:
    return PasswordField(
        label=label,
        help_text=_(
            "Le plus simple à retenir\N{NO-BREAK SPACE}: une phrase de plusieurs mots sans lien entre eux. "
            "Espaces et accents sont permis. Vous pouvez coller un mot de passe."
        ),
        autocomplete="new-password",
        spoken_name=spoken_name,
        rules=RULES,
        attributes={"passwordrules": PASSWORDRULES},
        error_messages={"required": _("Choisissez un mot de passe")},
    )


class NewPasswordForm(AccountForm):
    """The page has a second field, `password2`, without JavaScript only."""

    password = new_password_field(_("Choisissez un mot de passe"), THE_PASSWORD)

    def clean_password(self) -> str:
        """Normalised."""
        password = normalise_password(self.cleaned_data["password"])
        validate_password(password, self.account)
        again = self.data.get(self.add_prefix("password2"))
        if again is not None and normalise_password(again) != password:
            raise ValidationError(_("Les deux saisies sont différentes"), code="different")
        return password


class ChangePasswordForm(ConfirmedForm, NewPasswordForm):
    """Asks for the present password each time."""

    password = new_password_field(_("Nouveau mot de passe"), _("le nouveau mot de passe"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, confirmed=False, **kwargs)
        self.order_fields(["current_password", "password"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if {"current_password", "password"} <= data.keys() and (
            data["password"] == normalise_password(data["current_password"])
        ):
            self.add_error("password", _("Le nouveau mot de passe doit être différent de l’actuel"))
        return data


class NewRecoveryAddressForm(AccountForm):
    """A new recovery address in the field `address`, which a subclass defines.

    Asks for a confirmation when the address looks mistyped: its owner could take the account over.
    """

    suggestion: str | None = None
    typed_may_be_kept = False
    present_address_refusal: ErrorMessage = _("C’est déjà votre adresse de secours")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self._ask_about_spelling(data)
        if same_address(data.get("address", ""), self.account.recovery_address):
            self.refuse_present_address()
        return data

    def refuse_present_address(self) -> None:
        self.add_error("address", ValidationError(self.present_address_refusal, code="same"))

    def _ask_about_spelling(self, data: dict[str, Any]) -> None:
        self.typed_may_be_kept = "address" in data
        suggestion = suggested_correction(data.get("address") or self.data.get("address", ""))
        spelling = self.data.get("spelling")
        if suggestion is None or is_university_address(suggestion) or (spelling == "kept" and self.typed_may_be_kept):
            return
        self.errors.pop("address", None)
        if spelling == "corrected":
            data["address"] = suggestion
            return
        self.suggestion = suggestion
        self.add_error("address", ValidationError(DID_YOU_MEAN, code="suggestion", params={"suggestion": suggestion}))


class RecoveryAddressForm(NewRecoveryAddressForm, ConfirmedForm):
    address = ExternalAddressField(
        label=_("Nouvelle adresse de secours"),
        help_text=_("Une adresse personnelle, extérieure à l’université. Nous y enverrons un lien à confirmer."),
        error_messages={
            "required": _("Saisissez la nouvelle adresse de secours"),
            "university": _("L’adresse de secours doit être une adresse extérieure à l’université"),
        },
    )


class LanguageForm(forms.Form):
    language = forms.ChoiceField(
        label=_("Dans quelle langue voulez-vous lire nos pages et nos e-mails\N{NO-BREAK SPACE}?"),
        choices=[("fr", "Français"), ("en", "English")],
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Choisissez une langue"),
            "invalid_choice": _("Choisissez une langue"),
        },
    )
