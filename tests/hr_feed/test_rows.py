"""What a cell of the HR file may hold (design §8, INP-02, INP-03, INP-04)."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from time_machine import travel

from accounts.models import Account
from core.phone_numbers import InvalidPhoneNumber, normalize_phone
from hr_feed.parsing.parser import Row
from hr_feed.parsing.rows import RowChecker
from tests.fuzz import EMAIL, N
from tests.hr_feed.hr_files import another, imported, person, row, told

pytestmark = pytest.mark.django_db


def refused_columns(**facts: str) -> list[str]:
    """The columns for which Camille's row is refused, if it is."""
    report = imported(row(**facts))
    columns = [problem.column for problem in report.problems if problem.severity == "error"]
    assert (report.created, report.refused) == ((0, 1) if columns else (1, 0))
    return columns


@pytest.mark.parametrize(
    "column",
    ["family_name", "given_name", "birth_date", "category", "employer", "recovery_address", "start_date", "hr_id"],
)
@pytest.mark.parametrize("nothing", ["", " \t\u00a0"])
def test_a_required_cell_must_say_something(column, nothing):
    assert refused_columns(**{column: nothing}) == [column]


def test_every_problem_of_a_row_is_told_at_once():
    assert refused_columns(birth_date="hier", category="autre", ine="?") == ["birth_date", "category", "ine"]


def test_the_reason_never_repeats_what_the_cell_holds():
    """PRV-04"""
    report = imported(row(recovery_address="secret secret@exemple.net", phone="0612 secret", family_name="secret1"))

    assert "secret" not in str(report.problems)


@pytest.mark.parametrize("hr_id", ["1", "UDM000012345", "A/1-b.c_d", "x" * 64])
def test_hr_ids_are_letters_digits_and_a_few_signs(hr_id):
    assert refused_columns(hr_id=hr_id) == []


@pytest.mark.parametrize("hr_id", ["x" * 65, "=1+1", "a b", "é1", "a\x00b", "-1", "<b>"])
def test_other_hr_ids_are_refused_and_not_repeated(hr_id):
    assert told(imported(row(hr_id=hr_id))) == [(2, "", "hr_id", "error")]


def test_the_second_row_of_an_hr_id_is_refused():
    """ADM-08"""
    report = imported(row(), row(given_name="Autre"), another(3))

    assert (report.created, told(report)) == (2, [(3, "HR1", "hr_id", "error")])
    assert person().given_name == "Camille"


@pytest.mark.parametrize(
    "name", ["Éléonore", "d’Angelo", "O'Connor", "Jean-Pierre", "de La Tour", "Ng", "Ðorđe", "L·l", "Saint-Exupéry Jr."]
)
def test_names_have_letters_and_what_stands_between_them(name):
    assert refused_columns(family_name=name) == []


@pytest.mark.parametrize(
    "name",
    ["Dur\nand", "Dur\r\nand", "=1+1", "@SUM(1)", "-", "'", "Durand2", "a_b", "½", "<b>", "x" * 101, "Dur\u200band"],
)
def test_other_names_are_refused(name):
    """ADM-08, INP-02"""
    assert refused_columns(family_name=name) == ["family_name"]


def test_names_are_stored_composed_and_with_single_spaces():
    """INP-02"""
    imported(row(given_name=" E\u0301le\u0301onore ", family_name="de\u00a0  La   Tour"))

    assert person().full_name == "Éléonore de La Tour"


@pytest.mark.parametrize("column", ["family_name", "employer", "hr_id", "recovery_address", "phone", "ine", "language"])
def test_nasty_values_are_refused_or_inert(column):
    """INP-01, INP-02"""
    values = [value for value in N.values() if isinstance(value, str)]

    report = imported(*(another(number, **{column: value}) for number, value in enumerate(values, start=1)), another(0))

    assert Account.objects.filter(hr_id="HR0").exists()
    assert report.refused > 0
    for stored in Account.objects.values_list("hr_id", "family_name", "employer", "phone", "ine"):
        assert all(text.isprintable() for text in stored)


@pytest.mark.parametrize("category", ["staff", "hosted", "student", " Staff "])
def test_categories(category):
    assert refused_columns(category=category) == []


# Dates


@pytest.mark.parametrize("text", ["1980-12-31", "31/12/1980", " 31/12/1980 "])
def test_dates_are_iso_or_french(text):
    imported(row(birth_date=text))

    assert person().birth_date == date(1980, 12, 31)


def test_days_and_months_of_french_dates_may_have_one_digit():
    imported(row(birth_date="1/2/1980"))

    assert person().birth_date == date(1980, 2, 1)


@pytest.mark.parametrize(
    "text",
    [
        *("29/02/1985", "31/04/1980", "01-01-1980", "01/01/68", "01/01/0001", "31/12/9999", "2030-01-01", "00/00/0000"),
        *("13/13/1980", "1er janvier 1980", "\uff11\uff19\uff18\uff10-01-01", "-1", "01/01/1980\x00", "19800101"),
        *("1980-W01-1", "1980-1-1"),
    ],
)
def test_other_birth_dates_are_refused(text):
    """INP-04"""
    assert refused_columns(birth_date=text) == ["birth_date"]


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        ("2012-11-22", []),
        ("2012-11-23", ["birth_date"]),
        ("1925-11-23", []),
        ("1925-11-22", ["birth_date"]),
    ],
)
def test_people_are_14_to_100_years_old(born, expected):
    """INP-04"""
    with travel("2026-11-22T12:00:00+01:00", tick=False):
        assert refused_columns(birth_date=born) == expected


def test_nobody_leaves_before_they_come():
    assert refused_columns(start_date="2024-09-01", end_date="2024-08-31") == ["end_date"]


def test_an_end_that_stands_for_never_is_accepted():
    assert refused_columns(end_date="31/12/2999") == []


# Addresses


@pytest.mark.parametrize(("address", "wanted"), EMAIL)
def test_recovery_addresses_follow_the_one_policy(address, wanted, settings):
    """INP-03, EML-03"""
    settings.UNIVERSITY_DOMAINS = ["univ-x.fr"]

    refused = refused_columns(recovery_address=address) == ["recovery_address"]

    if not refused:
        stored = person().recovery_address
        assert stored.isascii()
        assert not stored.endswith("univ-x.fr")
    if wanted.startswith(("accept", "refuse (")):
        assert refused == wanted.startswith("refuse")


@pytest.mark.parametrize("address", ["a@univ-exemple.fr", "a@UNIV-EXEMPLE.FR", "a@mail.univ-exemple.fr"])
def test_a_recovery_address_is_never_one_of_the_university(address):
    """ADM-08"""
    assert refused_columns(recovery_address=address) == ["recovery_address"]
    assert refused_columns(recovery_address="a@exemple.net") == []


@pytest.mark.parametrize(
    "address",
    ["camille@exemple.net", "postmaster@univ-exemple.fr", "a+b@univ-exemple.fr", "=1@univ-exemple.fr", "a b", "root"],
)
def test_institutional_addresses_that_cannot_be_given(address):
    assert refused_columns(institutional_address=address) == ["institutional_address"]


def test_an_institutional_address_is_given_to_one_person_of_the_file():
    same = {"institutional_address": "c.durand@univ-exemple.fr"}

    assert told(imported(row(**same), another(2, **same))) == [(3, "HR2", "institutional_address", "error")]


# INE, telephone, language


@pytest.mark.parametrize("ine", ["0123456789A", " 0123456789a ", "01 2345 6789A"])
def test_an_ine_is_stored_in_capitals_without_spaces(ine):
    """INP-04"""
    imported(row(ine=ine))

    assert person().ine == "0123456789A"


@pytest.mark.parametrize(
    "ine", ["012345678A", "123456789AB2", "\uff10123456789A", "'0123456789A", "1234567890123", "***********"]
)
def test_other_ines_are_refused(ine):
    """INP-04"""
    assert refused_columns(ine=ine) == ["ine"]


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("06 12 34 56 78", "+33612345678"),
        ("+33 6 12 34 56 78", "+33612345678"),
        ("0033612345678", "+33612345678"),
        ("+33 (0)6.12.34.56.78", "+33612345678"),
        ("06-12-34-56-78", "+33612345678"),
        ("+1 212 555 0100", "+12125550100"),
        ("0692 12 34 56", "+262692123456"),
        ("0596 12 34 56", "+596596123456"),
    ],
)
def test_telephone_numbers_are_stored_in_the_international_form(typed, stored):
    """INP-04"""
    imported(row(phone=typed))

    assert person().phone == stored


@pytest.mark.parametrize(
    "typed",
    [
        *("\u0660\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", "112", "0899 700 000", "+33899700000"),
        *(
            "+33612345678;ext=9",
            "tel:+33612345678",
            "=+33612345678",
            "00000000000000000000",
            "06 12 34 56",
            "+" + "1" * 16,
        ),
    ],
)
def test_other_telephone_numbers_are_refused(typed):
    """INP-04"""
    with pytest.raises(InvalidPhoneNumber):
        normalize_phone(typed)
    assert refused_columns(phone=typed) == ["phone"]


@pytest.mark.parametrize(
    ("language", "expected"), [("FR", []), ("en", []), ("de", ["language"]), ("français", ["language"])]
)
def test_languages(language, expected):
    assert refused_columns(language=language) == expected


LONG_DOMAIN = ".".join(["a" * 61] * 4) + ".fr"
PLAIN = ["a", "0_", "x" * 32, "exemple.net"]
ODD = [".", "-", "+", "'", "@", " ", "é", "\u200b", "\n", '"']


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(PLAIN), max_size=3) | st.lists(st.sampled_from(PLAIN + ODD), max_size=5),
    st.sampled_from(["@exemple.net", f"@{LONG_DOMAIN}", "@univ-exemple.fr", "@Exemple.NET", ""]),
)
def test_an_address_checked_at_a_glance_is_what_the_careful_check_says(pieces, end):
    """INP-03"""
    address = "".join(pieces) + end
    met, careful = RowChecker(), RowChecker()
    assert met.check(a_row("un@exemple.net", "HR-1")).person
    assert met.check(a_row(f"un@{LONG_DOMAIN}", "HR-2")).person
    assert met.check(a_row(address)) == careful.check(a_row(address))


def a_row(recovery_address: str, hr_id: str = "HR1") -> Row:
    return Row(2, row(recovery_address=recovery_address, hr_id=hr_id))
