"""Form fields of a request for assistance: the INE, a date of birth in three parts, a telephone number, the story."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.forms.fields import ADDRESS_ATTRIBUTES, CleanedCharField, LoginField, ParagraphField
from core.phone_numbers import InvalidPhoneNumber, normalize_phone
from core.text import BLANKS, InvalidText, clean_line
from hr_feed.parsing.validators import OLDEST, YOUNGEST

#: Ten digits and a letter until 2018, nine digits and two letters since.
INE = re.compile(r"[0-9]{9}[0-9A-Za-z][A-Za-z]")
SPACES = re.compile(r"[ \u00a0\u202f]")
FRENCH_NUMBER = re.compile(r"^(?:\+|00)33")
NOT_A_DIGIT = re.compile(r"[^0-9]")
NOT_OF_A_NUMBER = re.compile(r"[^0-9 .+()/\-\u00a0\u202f]")
DIGITS_OF_A_NUMBER = 10
LONGEST_NUMBER = 40

DAY_OR_MONTH, YEAR = re.compile(r"[0-9]{1,2}"), re.compile(r"[0-9]{4}")
WHOLE_DATE = re.compile(r"([0-9]{1,2})[/. -]([0-9]{1,2})[/. -]([0-9]{4})")

CANNOT_BE_CALLED = _(
    "Nous ne pouvons pas appeler ce numéro. Vérifiez-le, par exemple 06 12 34 56 78 ou +34 612 345 678"
)
TOO_SHORT = _("Le numéro est trop court\N{NO-BREAK SPACE}: il manque des chiffres")


def clean_ine(typed: str) -> str:
    """The number in capitals, without spaces; else TextRefused."""
    ine = SPACES.sub("", typed.strip(BLANKS))
    if not INE.fullmatch(ine):
        raise InvalidText(_("Le numéro INE compte 11 caractères et se termine par une lettre"), code="ine")
    return ine.upper()


def clean_phone(typed: str) -> str:
    """The number as it was typed, when it can be called (`canonical_phone`); else TextRefused."""
    number = clean_line(typed)
    if len(number) > LONGEST_NUMBER:
        raise InvalidText(CANNOT_BE_CALLED, code="phone")
    try:
        normalize_phone(number)
    except InvalidPhoneNumber as refusal:
        raise InvalidText(TOO_SHORT if _lacks_digits(number) else CANNOT_BE_CALLED, code="phone") from refusal
    return number


def _lacks_digits(number: str) -> bool:
    digits = NOT_A_DIGIT.sub("", FRENCH_NUMBER.sub("0", number).replace("(0)", "", 1))
    return NOT_OF_A_NUMBER.search(number) is None and len(digits) < DIGITS_OF_A_NUMBER


class AccountAddressField(LoginField):
    """The institutional address of an account that may be somebody's; the domain may be left out."""

    widget = forms.TextInput(attrs={**ADDRESS_ATTRIBUTES, "type": "email", "autocomplete": "username"})


class IneField(CleanedCharField):
    """The number of a student."""

    widget = forms.TextInput(attrs={"autocapitalize": "characters", "spellcheck": "false", "class": "w-20"})
    clean_text = staticmethod(clean_ine)


class PhoneField(CleanedCharField):
    """A number to be called on, kept as typed."""

    widget = forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "class": "w-20"})
    clean_text = staticmethod(clean_phone)


class DescriptionField(ParagraphField):
    """Several lines, counted here only: with `maxlength`, a browser cuts what is pasted without a word."""

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Nothing about the length."""
        return {}


class BirthDateInput(forms.MultiWidget):
    """Day, month and year, each with its label: nobody guesses an order, and browsers can fill them in."""

    template_name = "assistance/birth_date_widget.html"

    def __init__(self) -> None:
        super().__init__(
            {
                "day": forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "bday-day", "class": "w-4"}),
                "month": forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "bday-month", "class": "w-4"}),
                "year": forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "bday-year", "class": "w-10"}),
            }
        )

    def decompress(self, value: date | None) -> list[int | None]:
        """The parts of a date."""
        return [value.day, value.month, value.year] if value else [None, None, None]


class BirthDateField(forms.Field):
    """The birth date of somebody who is 14 to 100 years old today (INP-04); None when nothing was typed."""

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
        """The date that the three parts make, or one pasted whole into the first."""
        day, month, year = _parts(value)
        if not (day or month or year):
            return None
        for part, code in ((day, "no-day"), (month, "no-month"), (year, "no-year")):
            if not part:
                raise self._refusal(code)
        if not YEAR.fullmatch(year):
            raise self._refusal("year")
        return self._of_a_living_person(self._date(day, month, year))

    def _date(self, day: str, month: str, year: str) -> date:
        if not (DAY_OR_MONTH.fullmatch(day) and DAY_OR_MONTH.fullmatch(month)):
            raise self._refusal("impossible")
        try:
            return date(int(year), int(month), int(day))
        except ValueError as error:
            raise self._refusal("impossible") from error

    def _of_a_living_person(self, born: date) -> date:
        today = timezone.localdate()
        age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        if not YOUNGEST <= age <= OLDEST:
            raise self._refusal("age")
        return born

    def _refusal(self, code: str) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code)


def _parts(value: Sequence[str | None] | None) -> tuple[str, str, str]:
    day, month, year = ((part or "").strip(BLANKS) for part in value or ("", "", ""))
    if not (month or year) and (whole := WHOLE_DATE.fullmatch(day)):
        day, month, year = whole.groups()
    return day, month, year
