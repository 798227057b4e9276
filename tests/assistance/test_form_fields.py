"""What is accepted as an INE, a birth date, a telephone number and a description (INP-02, INP-04)."""

from datetime import date
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from assistance.form_fields import BirthDateField, DescriptionField, IneField, PhoneField
from core.phone_numbers import normalize_phone
from tests.fuzz import BIRTH, INE, PHONE

TODAY = date(2026, 10, 6)
IMPOSSIBLE = "La date de naissance n’existe pas : vérifiez le jour et le mois"
FOUR_DIGITS = "L’année de naissance compte 4 chiffres, par exemple 1985"
CHECK_YEAR = "Vérifiez l’année de naissance"


@pytest.fixture(autouse=True)
def on_that_day(time_machine) -> None:
    time_machine.move_to("2026-10-06T10:00:00+02:00", tick=False)


def cleaned(field: forms.Field, typed: Any) -> Any:
    """The cleaned value, or the error message."""
    try:
        return field.clean(typed)
    except ValidationError as refused:
        return refused.messages[0].replace("\u00a0", " ")


def test_an_ine_is_eleven_characters_in_capitals():
    """INP-04: upper-cased, spaces removed; everything else is refused ('ß'.upper() would be two characters)."""
    accepted = {
        "0123456789A": "0123456789A",
        "123456789AB": "123456789AB",
        "0123456789a": "0123456789A",
        " 0123456789A ": "0123456789A",
        "0123456789O": "0123456789O",
        "0123 456 789 A": "0123456789A",
        "0123\u00a0456\u202f789A": "0123456789A",
        "0123456789A\n": "0123456789A",
    }
    refused = {*INE, "0123456789\u0131", "0123456789ß", "0123456789A\x85", "0123456789A\x1f", "A123456789A"}
    expected = dict.fromkeys(refused, "Le numéro INE compte 11 caractères et se termine par une lettre") | accepted
    assert {typed: cleaned(IneField(), typed) for typed in expected} == expected


def test_a_number_that_can_be_called_is_kept_as_typed():
    """INP-04, HLP-04"""
    accepted = {
        "06 12 34 56 78": "+33612345678",
        "+33 6 12 34 56 78": "+33612345678",
        "0033612345678": "+33612345678",
        "+33 (0)6.12.34.56.78": "+33612345678",
        "06-12-34-56-78": "+33612345678",
        "+1 212 555 0100": "+12125550100",
    }
    short = {"112", "06 12 34 56", "+33 6 12 34 56", "0033 6 12", "+34 61", "06", "(0)6 12"}
    refused = {*PHONE, "06 12 34 56 78\u202e", "06\x0012345678", "0612345678" + "." * 31, "0 6" + "-" * 60 + "12345678"}

    assert {typed: normalize_phone(cleaned(PhoneField(), typed)) for typed in accepted} == accepted
    assert [typed for typed in accepted if cleaned(PhoneField(), typed) != typed] == []
    for typed in short:
        assert cleaned(PhoneField(), typed) == "Le numéro est trop court : il manque des chiffres", typed
    for typed in refused - {*accepted} - short:
        with pytest.raises(ValidationError):
            PhoneField().clean(typed)


@given(st.text(max_size=60))
def test_any_text_typed_as_a_number_is_refused_or_can_be_called(typed):
    try:
        kept = PhoneField(required=False).clean(typed)
    except ValidationError:
        return
    if kept:
        number = normalize_phone(kept).lstrip("+")
        assert number.isascii()
        assert number.isdigit()
        assert len(kept) <= 40
        assert len(number) <= 15


def in_parts(typed: str) -> list[str]:
    """A date of the payloads, split into the three fields."""
    for separator in "/-":
        if typed.count(separator) == 2:
            parts = typed.split(separator)
            return parts if len(parts[2]) != 2 or separator == "/" else parts[::-1]
    return [typed, "", ""]


def test_a_birth_date_belongs_to_a_person_of_14_to_100_years():
    """INP-04: four digits of year, ASCII digits, a day that exists."""
    accepted = {
        "29/02/1984": date(1984, 2, 29),
        "1/1/1980": date(1980, 1, 1),
        "01-01-1980": date(1980, 1, 1),
        "1980-01-01": date(1980, 1, 1),
        "6/10/2012": date(2012, 10, 6),
        "7/10/1925": date(1925, 10, 7),
    }
    assert {typed: cleaned(BirthDateField(), in_parts(typed)) for typed in accepted} == accepted
    for typed in {*BIRTH, "7/10/2012", "6/10/1925"} - {*accepted}:
        with pytest.raises(ValidationError):
            BirthDateField().clean(in_parts(typed))


def test_a_refused_date_says_what_to_correct_and_one_pasted_whole_is_understood():
    expected: dict[tuple[str | None, ...], str] = {
        ("31", "4", "1980"): IMPOSSIBLE,
        ("29", "2", "1985"): IMPOSSIBLE,
        ("1er", "janvier", "1980"): IMPOSSIBLE,
        ("0", "0", "1980"): IMPOSSIBLE,
        ("27/3/1985", "3", "1985"): IMPOSSIBLE,
        ("1", "1", ""): "La date de naissance doit comporter une année",
        ("1", "", "1980"): "La date de naissance doit comporter un mois",
        ("", "1", "1980"): "La date de naissance doit comporter un jour",
        ("1", "1", "68"): FOUR_DIGITS,
        ("1", "1", "\uff11\uff19\uff18\uff10"): FOUR_DIGITS,
        ("1", "1", "-980"): FOUR_DIGITS,
        ("1", "1", "0001"): CHECK_YEAR,
        ("31", "12", "9999"): CHECK_YEAR,
        ("1", "1", "2030"): CHECK_YEAR,
        (None, None, None): "Saisissez votre date de naissance",
        (" ", "\t", "\u00a0"): "Saisissez votre date de naissance",
    }
    assert {parts: cleaned(BirthDateField(), list(parts)) for parts in expected} == expected
    for pasted in ("27/3/1985", "27.03.1985", "27-03-1985", "27 3 1985", " 27/03/1985 "):
        assert cleaned(BirthDateField(), [pasted, "", ""]) == date(1985, 3, 27), pasted


@given(st.lists(st.one_of(st.none(), st.text(max_size=12), st.integers(0, 40).map(str)), min_size=3, max_size=3))
def test_any_text_typed_as_a_date_is_refused_or_a_date(parts):
    try:
        kept = BirthDateField(required=False).clean(parts)
    except ValidationError:
        return
    assert kept is None or TODAY.year - 101 <= kept.year <= TODAY.year - 14


@given(st.dates(min_value=date(1927, 1, 1), max_value=date(2011, 12, 31)))
def test_every_day_of_the_calendar_is_accepted(born):
    assert BirthDateField().clean([str(born.day), f"{born.month:02}", str(born.year)]) == born


def test_a_description_counts_a_line_break_once_and_keeps_no_control_character():
    """INP-02, INP-04, INP-07: browsers count a line break once and send two characters."""
    lines = "\r\n".join(["x" * 19] * 100)
    assert len(DescriptionField(max_length=2_000).clean("y" + lines)) == 2_000
    with pytest.raises(ValidationError):
        DescriptionField(max_length=2_000).clean("yy" + lines)
    for field in (IneField, PhoneField, DescriptionField):
        with pytest.raises(ValidationError):
            field(max_length=2_000).clean("A" * 100_000)
    assert DescriptionField().clean("a\x00\x1b[31m\u202eb\tc\r\nd\u200b\x85") == "a[31mb\tc\nd"
