"""Form fields for what people type in several forms: addresses, the login, lines and paragraphs of text.

A form may reword a refusal through `error_messages`, by the code of the refusal ("university", "incomplete", …).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.email_addresses import (
    InvalidAddress,
    canonical_address,
    external_address,
    institutional_address_from_login,
    suggested_correction,
)
from core.text import InvalidText, clean_line, clean_paragraph

DID_YOU_MEAN = _("Avez-vous voulu écrire %(suggestion)s\N{NO-BREAK SPACE}?")

THE_PASSWORD = _("le mot de passe")
PASSWORD_ATTRIBUTES = {"autocapitalize": "none", "autocorrect": "off", "spellcheck": "false"}
ADDRESS_ATTRIBUTES = {"inputmode": "email", "autocapitalize": "none", "spellcheck": "false"}


class CleanedCharField(forms.CharField):
    """A text field that one function of the domain cleans, or refuses with its own message."""

    #: Answers the value to keep, or raises AddressRefused or TextRefused.
    clean_text: Callable[[str], str]

    def __init__(self, **kwargs: Any) -> None:
        # The function trims: Django's own trimming would hide control characters from it.
        super().__init__(**{"strip": False, **kwargs})

    def to_python(self, value: Any) -> str:
        """The text to keep; empty when only blanks were typed."""
        typed = super().to_python(value) or ""
        if not typed.strip():
            return ""
        try:
            return type(self).clean_text(typed)
        except (InvalidAddress, InvalidText) as refusal:
            raise self.error(refusal, typed) from refusal

    def error(self, refusal: InvalidAddress | InvalidText, typed: str) -> ValidationError:
        """What the form shows for a refusal."""
        return ValidationError(self.error_messages.get(refusal.code, refusal.message), code=refusal.code)


class AddressField(CleanedCharField):
    """An e-mail address, in its canonical spelling."""

    widget = forms.EmailInput(attrs={**ADDRESS_ATTRIBUTES, "autocomplete": "email"})
    default_error_messages = {"required": _("Saisissez une adresse e-mail, par exemple nom@exemple.net")}

    clean_text = staticmethod(canonical_address)

    def error(self, refusal: InvalidAddress | InvalidText, typed: str) -> ValidationError:
        """The address that was probably meant, where one is close; else what the refusal says."""
        suggestion = suggested_correction(typed)
        if suggestion is None:
            return super().error(refusal, typed)
        return ValidationError(DID_YOU_MEAN, code="suggestion", params={"suggestion": suggestion})


class ExternalAddressField(AddressField):
    """An address that does not belong to the university: recovery address, target of a redirection."""

    clean_text = staticmethod(external_address)


class PasswordField(forms.CharField):
    """A password as it is typed, blanks included. `spoken_name` is what its show/hide button says it shows; `rules` are
    the texts under a new one (`core.forms.renderer` draws both).
    """

    def __init__(
        self,
        *,
        autocomplete: str,
        spoken_name: str | Promise = THE_PASSWORD,
        rules: Sequence[object] = (),
        attributes: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        widget = forms.PasswordInput(attrs={**PASSWORD_ATTRIBUTES, "autocomplete": autocomplete, **(attributes or {})})
        super().__init__(strip=False, widget=widget, **kwargs)
        self.spoken_name, self.rules = spoken_name, rules


class LoginField(CleanedCharField):
    """The identifier: the institutional address, with or without its domain; cleaned to the whole address."""

    widget = forms.TextInput(attrs={**ADDRESS_ATTRIBUTES, "autocomplete": "username"})
    default_error_messages = {"required": _("Saisissez votre identifiant")}

    clean_text = staticmethod(institutional_address_from_login)


class LineField(CleanedCharField):
    """One line of text: name, employer, reference."""

    clean_text = staticmethod(clean_line)


class ParagraphField(CleanedCharField):
    """Several lines of text; `max_length` counts a line break as one character, as browsers do."""

    widget = forms.Textarea

    clean_text = staticmethod(clean_paragraph)
