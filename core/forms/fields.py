"""Form fields for addresses, logins, passwords, lines and paragraphs.

A form may reword an error through `error_messages`, by its code ("university", "incomplete", …).
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
    """A text field cleaned by one function of core, which raises InvalidAddress or InvalidText."""

    clean_text: Callable[[str], str]

    def __init__(self, **kwargs: Any) -> None:
        # clean_text trims: Django's own trimming would hide control characters from it.
        super().__init__(**{"strip": False, **kwargs})

    def to_python(self, value: Any) -> str:
        typed = super().to_python(value) or ""
        if not typed.strip():
            return ""
        try:
            return type(self).clean_text(typed)
        except (InvalidAddress, InvalidText) as refusal:
            raise self.error(refusal, typed) from refusal

    def error(self, refusal: InvalidAddress | InvalidText, typed: str) -> ValidationError:
        return ValidationError(self.error_messages.get(refusal.code, refusal.message), code=refusal.code)


class AddressField(CleanedCharField):
    widget = forms.EmailInput(attrs={**ADDRESS_ATTRIBUTES, "autocomplete": "email"})
    default_error_messages = {"required": _("Saisissez une adresse e-mail, par exemple nom@exemple.net")}

    clean_text = staticmethod(canonical_address)

    def error(self, refusal: InvalidAddress | InvalidText, typed: str) -> ValidationError:
        suggestion = suggested_correction(typed)
        if suggestion is None:
            return super().error(refusal, typed)
        return ValidationError(DID_YOU_MEAN, code="suggestion", params={"suggestion": suggestion})


class ExternalAddressField(AddressField):
    """An address outside the university: recovery address, target of a redirection."""

    clean_text = staticmethod(external_address)


class PasswordField(forms.CharField):
    """A password, not trimmed. `spoken_name` is read by the show/hide button, `rules` are shown below a new one."""

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
    """Cleans a login, with or without its domain, to the institutional address."""

    widget = forms.TextInput(attrs={**ADDRESS_ATTRIBUTES, "autocomplete": "username"})
    default_error_messages = {"required": _("Saisissez votre identifiant")}

    clean_text = staticmethod(institutional_address_from_login)


class LineField(CleanedCharField):
    clean_text = staticmethod(clean_line)


class ParagraphField(CleanedCharField):
    """`max_length` counts a line break as one character, as browsers do."""

    widget = forms.Textarea

    clean_text = staticmethod(clean_paragraph)
