"""Form fields of a request: INE, birth date in three parts, telephone number, description."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.email_addresses import InvalidAddress
from core.forms.fields import ADDRESS_ATTRIBUTES, CleanedCharField, LoginField, ParagraphField
from core.phone_numbers import InvalidPhoneNumber, normalize_phone
from core.text import BLANKS, InvalidText, clean_line
from hr_feed.parsing.validators import OLDEST, YOUNGEST

#: Ten digits and a letter until 2018, nine digits and two letters since.
INE = re.compile(r"[0-9]{9}[0-9A-Za-z][A-Za-z]")
SPACES = re.compile(r"[ \u00a0\u202f]")
FRENCH_NUMBER = re.compile(r"^(?:\+|00)33")
NOT_A_DIGIT = re.compile(r"[^0-9]")
NOT_IN_A_NUMBER = re.compile(r"[^0-9 .+()/\-\u00a0\u202f]")
DIGITS_IN_A_NUMBER = 10
MAX_NUMBER_LENGTH = 40

DAY_OR_MONTH, YEAR = re.compile(r"[0-9]{1,2}"), re.compile(r"[0-9]{4}")
WHOLE_DATE = re.compile(r"([0-9]{1,2})[/. -]([0-9]{1,2})[/. -]([0-9]{4})")

CANNOT_BE_CALLED = _(
    "Nous ne pouvons pas appeler ce numéro. Vérifiez-le, par exemple 06 12 34 56 78 ou +34 612 345 678"
)
TOO_SHORT = _("Le numéro est trop court\N{NO-BREAK SPACE}: il manque des chiffres")


def clean_ine(typed: str) -> str:
    """The INE in capitals, without spaces. Raises InvalidText."""
    ine = SPACES.sub("", typed.strip(BLANKS))
    if not INE.fullmatch(ine):
        raise InvalidText(_("Le numéro INE compte 11 caractères et se termine par une lettre"), code="ine")
    return ine.upper()


def clean_phone(typed: str) -> str:
    """The number as typed, if `normalize_phone` accepts it. Raises InvalidText."""
    number = clean_line(typed)
    if len(number) > MAX_NUMBER_LENGTH:
        raise InvalidText(CANNOT_BE_CALLED, code="phone")
    try:
        normalize_phone(number)
    except InvalidPhoneNumber as refusal:
        raise InvalidText(TOO_SHORT if _lacks_digits(number) else CANNOT_BE_CALLED, code="phone") from refusal
    return number


def _lacks_digits(number: str) -> bool:
    digits = NOT_A_DIGIT.sub("", FRENCH_NUMBER.sub("0", number).replace("(0)", "", 1))
    return NOT_IN_A_NUMBER.search(number) is None and len(digits) < DIGITS_IN_A_NUMBER


class AccountAddressField(LoginField):
    widget = forms.TextInput(attrs={**ADDRESS_ATTRIBUTES, "type": "email", "autocomplete": "username"})

    def error(self, refusal: InvalidAddress | InvalidText, typed: str) -> ValidationError:
        shown = super().error(refusal, typed)
        shown.params = {"domain": settings.UNIVERSITY_DOMAINS[0]}
        return shown


class IneField(CleanedCharField):
    widget = forms.TextInput(attrs={"autocapitalize": "characters", "spellcheck": "false", "class": "w-20"})
    clean_text = staticmethod(clean_ine)


class PhoneField(CleanedCharField):
    """A telephone number, kept as typed."""

    widget = forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "class": "w-20"})
    clean_text = staticmethod(clean_phone)


class DescriptionField(ParagraphField):
    """Several lines without a maxlength attribute: browsers would cut pasted text silently."""

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {}


class BirthDateInput(forms.MultiWidget):
    """Day, month and year, each with its own label and autocomplete token."""

    template_name = "assistance/birth_date_widget.html"

    def __init__(self) -> None:
        super().__init__(
            {
                "day": forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "bday-day"}),
                "month": forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "bday-month"}),
                "year": forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "bday-year"}),
            }
        )

    def decompress(self, value: date | None) -> list[int | None]:
        return [value.day, value.month, value.year] if value else [None, None, None]


class BirthDateField(forms.Field):
    """The birth date of a person of 14 to 100 years; None when empty."""

    widget = BirthDateInput
    default_error_messages = {
        "required": _("Saisissez votre date de naissance"),
        "no-day": _("La date de naissance doit comporter un jour"),
        "no-month": _("La date de naissance doit comporter un mois"),
        "no-year": _("La date de naissance doit comporter une année"),
        "year": _("L’année de naissance compte 4 chiffres, par exemple 1985"),
        "impossible": _("La date de naissance n’existe pas\N{NO-BREAK SPACE}: vérifiez le jour et le mois"),
        "age": _("Vérifiez l’année de naissance"),
    }

    def to_python(self, value: Any) -> date | None:
        day, month, year = _parts(value)
        if not (day or month or year):
            return None
        for part, code in ((day, "no-day"), (month, "no-month"), (year, "no-year")):
            if not part:
                raise self._error(code)
        if not YEAR.fullmatch(year):
            raise self._error("year")
        return self._check_age(self._date(day, month, year))

    def _date(self, day: str, month: str, year: str) -> date:
        if not (DAY_OR_MONTH.fullmatch(day) and DAY_OR_MONTH.fullmatch(month)):
            raise self._error("impossible")
        try:
            return date(int(year), int(month), int(day))
        except ValueError as error:
            raise self._error("impossible") from error

    def _check_age(self, born: date) -> date:
        today = timezone.localdate()
        age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        if not YOUNGEST <= age <= OLDEST:
            raise self._error("age")
        return born

    def _error(self, code: str) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code)


def _parts(value: Sequence[str | None] | None) -> tuple[str, str, str]:
    day, month, year = ((part or "").strip(BLANKS) for part in value or ("", "", ""))
    if not (month or year) and (whole := WHOLE_DATE.fullmatch(day)):
        day, month, year = whole.groups()
    return day, month, year
