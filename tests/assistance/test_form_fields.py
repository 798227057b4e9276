"""What may be typed as an INE, a birth date, a telephone number, a story (INP-02, INP-04)."""

from datetime import date

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from assistance.form_fields import BirthDateField, IneField, PhoneField, StoryField
from core.phone_numbers import normalize_phone
from tests.fuzz import BIRTH, INE, PHONE

TODAY = date(2026, 10, 6)

GOOD_INES = {
    "0123456789A": "0123456789A",
    "123456789AB": "123456789AB",
    "0123456789a": "0123456789A",
    " 0123456789A ": "0123456789A",
    "0123456789O": "0123456789O",
}
GOOD_PHONES = {
    "06 12 34 56 78": "+33612345678",
    "+33 6 12 34 56 78": "+33612345678",
    "0033612345678": "+33612345678",
    "+33 (0)6.12.34.56.78": "+33612345678",
    "06-12-34-56-78": "+33612345678",
    "+1 212 555 0100": "+12125550100",
}
TOO_SHORT = ("112", "06 12 34 56")


@pytest.fixture(autouse=True)
def on_that_day(time_machine) -> None:
    time_machine.move_to("2026-10-06T10:00:00+02:00", tick=False)


def refusal_of(field, typed) -> str:
    with pytest.raises(ValidationError) as refused:
        field.clean(typed)
    return refused.value.messages[0].replace("\u00a0", " ")


@pytest.mark.parametrize("typed", INE)
def test_an_ine_is_eleven_characters_in_capitals(typed):
    """INP-04: upper-cased, spaces stripped; everything else is refused, nothing is guessed."""
    if typed in GOOD_INES:
        assert IneField().clean(typed) == GOOD_INES[typed]
    else:
        assert refusal_of(IneField(), typed) == "Le numéro INE compte 11 caractères et se termine par une lettre"


@pytest.mark.parametrize("typed", ["0123 456 789 A", "0123\u00a0456\u202f789A", "0123456789A\n"])
def test_an_ine_may_be_typed_or_pasted_with_spaces(typed):
    assert IneField().clean(typed) == "0123456789A"


@pytest.mark.parametrize(
    "typed", ["0123456789\u0131", "0123456789ß", "0123456789A\x85", "0123456789A\x1f", "A123456789A"]
)
def test_an_ine_has_no_other_letters(typed):
    """INP-02: 'ß'.upper() would be two characters."""
    assert "11 caractères" in refusal_of(IneField(), typed)


@pytest.mark.parametrize("typed", PHONE)
def test_a_number_that_can_be_called_is_kept_as_typed(typed):
    """INP-04, HLP-04: stored in E.164 besides."""
    if typed in GOOD_PHONES:
        assert PhoneField().clean(typed) == typed
        assert normalize_phone(typed) == GOOD_PHONES[typed]
    elif typed in TOO_SHORT:
        assert refusal_of(PhoneField(), typed) == "Le numéro est trop court : il manque des chiffres"
    else:
        assert refusal_of(PhoneField(), typed).startswith("Nous ne pouvons pas appeler ce numéro.")


@pytest.mark.parametrize("typed", ["+33 6 12 34 56", "0033 6 12", "+34 61", "06", "(0)6 12"])
def test_a_number_that_lacks_digits_is_told_so(typed):
    assert refusal_of(PhoneField(), typed) == "Le numéro est trop court : il manque des chiffres"


@pytest.mark.parametrize(
    "typed", ["06 12 34 56 78\u202e", "06\x0012345678", "0612345678" + "." * 31, "0 6" + "-" * 60 + "12345678"]
)
def test_a_number_is_nothing_but_a_number(typed):
    assert refusal_of(PhoneField(), typed)


@given(st.text(max_size=60))
def test_whatever_is_typed_as_a_number_is_refused_or_can_be_called(typed):
    try:
        kept = PhoneField(required=False).clean(typed)
    except ValidationError:
        return
    if kept:
        assert normalize_phone(kept).lstrip("+").isascii()
        assert normalize_phone(kept).lstrip("+").isdigit()
        assert len(kept) <= 40
        assert len(normalize_phone(kept)) <= 16


def in_parts(typed: str) -> list[str]:
    """A date of the pack as somebody would type it into three fields."""
    for separator in "/-":
        if typed.count(separator) == 2:
            parts = typed.split(separator)
            return parts if len(parts[2]) != 2 or separator == "/" else parts[::-1]
    return [typed, "", ""]


@pytest.mark.parametrize("typed", BIRTH)
def test_a_birth_date_is_a_day_of_somebody_who_could_have_typed_it(typed):
    """INP-04: 14 to 100 years old, four digits of year, ASCII digits, a day that exists."""
    accepted = {
        "29/02/1984": date(1984, 2, 29),
        "1/1/1980": date(1980, 1, 1),
        "01-01-1980": date(1980, 1, 1),
        "1980-01-01": date(1980, 1, 1),
    }
    parts = in_parts(typed)
    if typed in accepted:
        assert BirthDateField().clean(parts) == accepted[typed]
    else:
        assert refusal_of(BirthDateField(), parts)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["31", "4", "1980"], "La date de naissance n’existe pas : vérifiez le jour et le mois"),
        (["29", "2", "1985"], "La date de naissance n’existe pas : vérifiez le jour et le mois"),
        (["13", "13", "1980"], "La date de naissance n’existe pas : vérifiez le jour et le mois"),
        (["1er", "janvier", "1980"], "La date de naissance n’existe pas : vérifiez le jour et le mois"),
        (["0", "0", "1980"], "La date de naissance n’existe pas : vérifiez le jour et le mois"),
        (["1", "1", ""], "La date de naissance doit comporter une année"),
        (["1", "", "1980"], "La date de naissance doit comporter un mois"),
        (["", "1", "1980"], "La date de naissance doit comporter un jour"),
        (["1", "1", "68"], "L’année de naissance compte 4 chiffres, par exemple 1985"),
        (["1", "1", "\uff11\uff19\uff18\uff10"], "L’année de naissance compte 4 chiffres, par exemple 1985"),
        (["1", "1", "-980"], "L’année de naissance compte 4 chiffres, par exemple 1985"),
        (["1", "1", "0001"], "Vérifiez l’année de naissance"),
        (["31", "12", "9999"], "Vérifiez l’année de naissance"),
        (["1", "1", "2030"], "Vérifiez l’année de naissance"),
        (["", "", ""], "Saisissez votre date de naissance"),
        ([None, None, None], "Saisissez votre date de naissance"),
        ([" ", "\t", "\u00a0"], "Saisissez votre date de naissance"),
    ],
)
def test_a_refused_date_says_what_to_correct(parts, said):
    assert refusal_of(BirthDateField(), parts) == said


@pytest.mark.parametrize("born", [["6", "10", "2012"], ["7", "10", "1925"]])
def test_somebody_of_14_today_or_of_100_until_tomorrow_is_taken(born):
    assert BirthDateField().clean(born)


@pytest.mark.parametrize("born", [["7", "10", "2012"], ["6", "10", "1925"]])
def test_somebody_of_14_tomorrow_or_of_101_today_is_not(born):
    assert refusal_of(BirthDateField(), born) == "Vérifiez l’année de naissance"


@pytest.mark.parametrize("pasted", ["27/3/1985", "27.03.1985", "27-03-1985", "27 3 1985", " 27/03/1985 "])
def test_a_date_pasted_whole_into_the_first_field_is_understood(pasted):
    assert BirthDateField().clean([pasted, "", ""]) == date(1985, 3, 27)


def test_the_same_is_not_guessed_when_other_parts_are_filled():
    assert refusal_of(BirthDateField(), ["27/3/1985", "3", "1985"])


@given(st.lists(st.one_of(st.none(), st.text(max_size=12), st.integers(0, 40).map(str)), min_size=3, max_size=3))
def test_whatever_is_typed_as_a_date_is_refused_or_a_date(parts):
    try:
        kept = BirthDateField(required=False).clean(parts)
    except ValidationError:
        return
    assert kept is None or TODAY.year - 101 <= kept.year <= TODAY.year - 14


@given(st.dates(min_value=date(1927, 1, 1), max_value=date(2011, 12, 31)))
def test_every_day_is_somebody_s_birthday(born):
    assert BirthDateField().clean([str(born.day), f"{born.month:02}", str(born.year)]) == born


def test_a_story_counts_a_line_break_once():
    """INP-04: browsers count it once and send two characters."""
    told = "\r\n".join(["x" * 19] * 100) + "\r\n"
    assert len(told.replace("\r\n", "\n")) == 2_000

    assert len(StoryField(max_length=2_000).clean("y" + told[:-2])) == 2_000
    with pytest.raises(ValidationError):
        StoryField(max_length=2_000).clean("yy" + told[:-2])


def test_a_story_keeps_line_breaks_and_tabs_and_no_other_control():
    """INP-02."""
    assert StoryField().clean("a\x00\x1b[31m\u202eb\tc\r\nd\u200b\x85") == "a[31mb\tc\nd"


@pytest.mark.parametrize("field", [IneField, PhoneField, StoryField])
def test_a_long_text_is_refused_at_once(field):
    """INP-07."""
    with pytest.raises(ValidationError):
        field(max_length=2_000).clean("A" * 100_000)
