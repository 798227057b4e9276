"""Forms that ask for one code of the second factor."""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import Account
from agents.second_factor import services
from agents.second_factor.codes import MAX_TYPED_LENGTH
from core.rate_limits import RateLimitExceeded

CODE_ATTRIBUTES = {
    "autocomplete": "one-time-code",
    "autocapitalize": "none",
    "autocorrect": "off",
    "spellcheck": "false",
}
CODE_REFUSED = "Le code ne correspond pas ou a déjà servi"


def duration_in_words(seconds: int) -> str:
    """« 8 secondes », « 3 minutes », « 2 heures », rounded up."""
    for name, length in (("heure", 3600), ("minute", 60), ("seconde", 1)):
        if seconds >= length:
            number = -(-seconds // length)
            return f"{number}\N{NO-BREAK SPACE}{name}{'s' if number > 1 else ''}"
    return "1\N{NO-BREAK SPACE}seconde"


def seconds_until(moment: datetime) -> int:
    return max(1, int((moment - timezone.now()).total_seconds()) + 1)


class CodeForm(forms.Form):
    """A code that a service verifies and uses up; `result` is what the service returns."""

    code = forms.CharField(
        label="Code de vérification",
        help_text="Les 6\N{NO-BREAK SPACE}chiffres affichés par votre application. Un code ne sert qu’une fois.",
        # No maxlength: the browser would cut what is pasted.
        widget=forms.TextInput(attrs={**CODE_ATTRIBUTES, "inputmode": "numeric"}),
        error_messages={"required": "Saisissez le code", "null_characters_not_allowed": CODE_REFUSED},
    )

    result: Any = None
    retry_after = 0

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account

    def clean_code(self) -> str:
        typed: str = self.cleaned_data["code"]
        try:
            self.result = self.use_code(typed[: MAX_TYPED_LENGTH + 1])
        except services.CodeRefused:
            raise ValidationError(CODE_REFUSED, code="refused") from None
        except services.CodeThrottled as throttled:
            raise self._retry_later(seconds_until(throttled.until)) from None
        except RateLimitExceeded as exceeded:
            raise self._retry_later(exceeded.retry_after) from None
        return typed

    def use_code(self, typed: str) -> Any:
        """Call the service. Raises CodeRefused, CodeThrottled or RateLimitExceeded."""
        raise NotImplementedError

    def _retry_later(self, seconds: int) -> ValidationError:
        self.retry_after = seconds
        return ValidationError(f"Trop d’essais. Réessayez dans {duration_in_words(seconds)}", code="too-many")


class VerificationForm(CodeForm):
    def use_code(self, typed: str) -> Any:
        return services.verify(account=self.account, typed=typed)


class BackupCodeForm(VerificationForm):
    """Without a numeric keypad: backup codes have letters."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.label = "Code de secours"
        field.help_text = "Un des dix codes que vous avez imprimés, par exemple k7fq-2m9x-w4tp-bh3z."
        field.widget = forms.TextInput(attrs={**CODE_ATTRIBUTES, "class": "w-20"})


class EnrolmentForm(CodeForm):
    """The enrolment code of a first device."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.label = "Code d’enrôlement"
        field.help_text = "Un responsable de la DSIN vous l’a remis. Il ressemble à k7fq-2m9x-w4tp-bh3z."
        field.widget = forms.TextInput(attrs={**CODE_ATTRIBUTES, "class": "w-20"})

    def use_code(self, typed: str) -> Any:
        return services.start_enrolment(account=self.account, typed=typed)


class FirstCodeForm(CodeForm):
    """The first token of an unconfirmed device."""

    def __init__(self, *args: Any, device_id: int | None, keep: str | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.device_id, self.keep = device_id, keep

    def use_code(self, typed: str) -> Any:
        return services.confirm_device(account=self.account, device_id=self.device_id, typed=typed, keep=self.keep)


class DeviceChangeForm(CodeForm):
    """A change of the device, allowed by a code of the present one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.help_text = (
            "Un nouveau code de votre application, ou un code de secours. "
            "Celui que vous venez d’utiliser ne sert plus\N{NO-BREAK SPACE}: attendez le suivant."
        )
        field.widget = forms.TextInput(attrs={**CODE_ATTRIBUTES, "class": "w-20"})


class DeviceReplacementForm(DeviceChangeForm):
    def use_code(self, typed: str) -> Any:
        return services.start_replacement(account=self.account, typed=typed)


class BackupCodesForm(DeviceChangeForm):
    def use_code(self, typed: str) -> Any:
        return services.renew_backup_codes(account=self.account, typed=typed)


class RemovalForm(DeviceChangeForm):
    def use_code(self, typed: str) -> Any:
        services.remove_device(account=self.account, typed=typed)


class ConfirmedByCodeForm(DeviceChangeForm):
    """What one agent does alone and an intruder would do first; asks for a code last, unless one was just given."""

    def __init__(self, *args: Any, code_is_confirmed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        code = self.fields.pop("code")
        if not code_is_confirmed:
            self.fields["code"] = code

    def use_code(self, typed: str) -> Any:
        return services.verify(account=self.account, typed=typed)
