"""Forms of the codes that let an agent in."""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import Account
from agents.second_factor import services as second_factor
from agents.second_factor.codes import LONGEST_TYPED
from agents.second_factor.services import CodeRefused, TooManyCodes
from core.rate_limits import RateLimitExceeded

CODE_ATTRIBUTES = {
    "autocomplete": "one-time-code",
    "autocapitalize": "none",
    "autocorrect": "off",
    "spellcheck": "false",
}
NOT_THE_CODE = "Le code ne correspond pas ou a déjà servi"


def wait_of(seconds: int) -> str:
    """« 8 secondes », « 3 minutes », « 2 heures »: rounded up, so that it is true when it is over."""
    for name, length in (("heure", 3600), ("minute", 60), ("seconde", 1)):
        if seconds >= length:
            number = -(-seconds // length)
            return f"{number}\N{NO-BREAK SPACE}{name}{'s' if number > 1 else ''}"
    return "1\N{NO-BREAK SPACE}seconde"


def seconds_until(moment: datetime) -> int:
    """How long it is to that moment; one at least."""
    return max(1, int((moment - timezone.now()).total_seconds()) + 1)


class CodeForm(forms.Form):
    """One code, which a service checks and spends; `granted` is what the service gives for it."""

    code = forms.CharField(
        label="Code de vérification",
        help_text="Les 6\N{NO-BREAK SPACE}chiffres que montre votre application. Un code sert une seule fois.",
        # Longer ones are refused like any wrong code; the browser shall not cut what is pasted.
        widget=forms.TextInput(attrs={**CODE_ATTRIBUTES, "inputmode": "numeric"}),
        error_messages={"required": "Saisissez le code", "null_characters_not_allowed": NOT_THE_CODE},
    )

    granted: Any = None
    retry_after = 0

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account

    def clean_code(self) -> str:
        """Spend the code; one message for every refusal."""
        typed: str = self.cleaned_data["code"]
        try:
            self.granted = self.spend(typed[: LONGEST_TYPED + 1])
        except CodeRefused:
            raise ValidationError(NOT_THE_CODE, code="refused") from None
        except TooManyCodes as slowed_down:
            raise self._wait(seconds_until(slowed_down.until)) from None
        except RateLimitExceeded as reached:
            raise self._wait(reached.retry_after) from None
        return typed

    def spend(self, typed: str) -> Any:
        """What is granted for the code. Raises CodeRefused, TooManyCodes or LimitReached."""
        raise NotImplementedError

    def _wait(self, seconds: int) -> ValidationError:
        self.retry_after = seconds
        return ValidationError(f"Trop d’essais. Réessayez dans {wait_of(seconds)}", code="too-many")


class VerificationForm(CodeForm):
    """A code of the application, or a backup code."""

    def spend(self, typed: str) -> Any:
        """The device that vouches for the session."""
        return second_factor.verify(account=self.account, typed=typed)


class BackupCodeForm(VerificationForm):
    """The same for whoever has no application at hand: telephones show letters too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.label = "Code de secours"
        field.help_text = "Un des dix codes que vous avez imprimés, par exemple k7fq-2m9x-w4tp-bh3z."
        field.widget = forms.TextInput(attrs={**CODE_ATTRIBUTES, "class": "w-20"})


class EnrolmentForm(CodeForm):
    """The code that allows a first application."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.label = "Code d’inscription"
        field.help_text = "Un responsable de la DSIN vous l’a donné. Il ressemble à k7fq-2m9x-w4tp-bh3z."
        field.widget = forms.TextInput(attrs={**CODE_ATTRIBUTES, "class": "w-20"})

    def spend(self, typed: str) -> Any:
        """The application to be."""
        return second_factor.begin_enrolment(account=self.account, typed=typed)


class FirstCodeForm(CodeForm):
    """The first code of a new application, which proves that it works."""

    def __init__(self, *args: Any, device_id: int | None, keep: str | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.device_id, self.keep = device_id, keep

    def spend(self, typed: str) -> Any:
        """The application and its backup codes. Raises EnrolmentLost too."""
        return second_factor.finish_enrolment(
            account=self.account, device_id=self.device_id, typed=typed, keep=self.keep
        )


class PresentCodeForm(CodeForm):
    """A change of the second factor, for whoever has it (ADM-03)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.help_text = (
            "Un nouveau code de votre application, ou un code de secours. "
            "Celui avec lequel vous êtes entré ne sert plus\N{NO-BREAK SPACE}: attendez le suivant."
        )
        field.widget = forms.TextInput(attrs={**CODE_ATTRIBUTES, "class": "w-20"})


class DeviceReplacementForm(PresentCodeForm):
    """Another telephone."""

    def spend(self, typed: str) -> Any:
        """The application to be."""
        return second_factor.begin_replacement(account=self.account, typed=typed)


class BackupCodesForm(PresentCodeForm):
    """Ten new backup codes."""

    def spend(self, typed: str) -> Any:
        """The codes."""
        return second_factor.renew_backup_codes(account=self.account, typed=typed)


class RemovalForm(PresentCodeForm):
    """No application any more."""

    def spend(self, typed: str) -> Any:
        """Nothing: it is gone."""
        second_factor.remove_device(account=self.account, typed=typed)
