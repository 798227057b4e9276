"""What a cell of the HR file may hold (INP-02, INP-03, INP-04)."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from time_machine import travel

from accounts.models import Account
from hr_feed.parsing.parser import Row
from hr_feed.parsing.rows import CheckedRow, RowChecker
from tests.fuzz import EMAIL, N
from tests.hr_feed.hr_files import another, imported, imported_account, problems_in, row

pytestmark = pytest.mark.django_db


def checked(**facts: str) -> CheckedRow:
    return RowChecker().check(Row(2, row(**facts)))


def refused_columns(**facts: str) -> list[str]:
    result = checked(**facts)
    columns = [problem.column for problem in result.problems if problem.severity == "error"]
    assert (result.person is None) == bool(columns)
    return columns


def assert_accepts(column: str, values: dict[str, Any]) -> None:
    """Each value is stored as given."""
    stored = {}
    for value in values:
        person = checked(**{column: value}).person
        stored[value] = person.values[column] if person else "refused"
    assert stored == values


def assert_refuses(column: str, *values: str) -> None:
    assert {value: refused_columns(**{column: value}) for value in values} == {value: [column] for value in values}


def unchanged(*values: str) -> dict[str, str]:
    return {value: value for value in values}


def test_required_cells_are_not_blank():
    names = "family_name given_name birth_date category employer recovery_address start_date hr_id"
    for column in names.split():
        assert_refuses(column, "", " \t\u00a0")


def test_every_problem_of_a_row_is_reported_and_none_quotes_the_cell():
    """PRV-04"""
    assert refused_columns(birth_date="hier", category="autre", ine="?") == ["birth_date", "category", "ine"]
    problems = checked(
        recovery_address="secret secret@exemple.net", phone="0612 secret", family_name="secret1"
    ).problems
    assert len(problems) == 3
    assert "secret" not in str(problems)


def test_hr_ids():
    assert_accepts("hr_id", unchanged("1", "UDM000012345", "A/1-b.c_d", "x" * 64))
    assert_refuses("hr_id", "x" * 65, "=1+1", "a b", "é1", "a\x00b", "-1", "<b>")
    assert [problem.hr_id for problem in checked(hr_id="=1+1").problems] == [""]


def test_names():
    """ADM-08, INP-02: letters and what stands between them; composed, with single spaces."""
    good = ("Éléonore", "d’Angelo", "O'Connor", "Jean-Pierre", "de La Tour", "Ng", "Ðorđe", "L·l", "Saint-Exupéry Jr.")
    composed = {" E\u0301le\u0301onore ": "Éléonore", "de\u00a0  La   Tour": "de La Tour"}
    bad = (
        "Dur\nand",
        "Dur\r\nand",
        "=1+1",
        "@SUM(1)",
        "-",
        "'",
        "Durand2",
        "a_b",
        "½",
        "<b>",
        "x" * 101,
        "Dur\u200band",
    )
    for column in ("family_name", "given_name"):
        assert_accepts(column, unchanged(*good) | composed)
        assert_refuses(column, *bad)


def test_categories_and_languages():
    assert_accepts("category", {"staff": "staff", "hosted": "hosted", "student": "student", " Staff ": "staff"})
    assert_refuses("category", "is_staff", "agent")
    assert_accepts("language", {"FR": "fr", "en": "en", "": None})
    assert_refuses("language", "de", "français")


def test_dates():
    """INP-04: ISO or French, of people from 14 to 100 years old."""
    born = date(1980, 12, 31)
    assert_accepts("birth_date", {"1980-12-31": born, " 31/12/1980 ": born, "1/2/1980": date(1980, 2, 1)})
    assert_accepts("end_date", {"31/12/2999": date(2999, 12, 31), "": None})
    assert_refuses(
        "birth_date",
        *("29/02/1985", "31/04/1980", "01-01-1980", "01/01/68", "01/01/0001", "31/12/9999", "2030-01-01", "00/00/0000"),
        *("13/13/1980", "1er janvier 1980", "\uff11\uff19\uff18\uff10-01-01", "-1", "01/01/1980\x00", "19800101"),
        *("1980-W01-1", "1980-1-1"),
    )
    with travel("2026-11-22T12:00:00+01:00", tick=False):
        assert_accepts("birth_date", {"2012-11-22": date(2012, 11, 22), "1925-11-23": date(1925, 11, 23)})
        assert_refuses("birth_date", "2012-11-23", "1925-11-22")
    assert refused_columns(start_date="2024-09-01", end_date="2024-08-31") == ["end_date"]


def test_recovery_addresses_follow_the_policy_and_are_never_of_the_university(settings):
    """ADM-08, INP-03, EML-03"""
    settings.UNIVERSITY_DOMAINS = ["univ-x.fr", "univ-exemple.fr"]
    for address, policy in EMAIL:
        person = checked(recovery_address=address).person
        assert person or refused_columns(recovery_address=address) == ["recovery_address"]
        if person:
            assert person.recovery_address.isascii(), address
            assert not person.recovery_address.endswith("univ-x.fr"), address
        if policy.startswith(("accept", "refuse (")):
            assert (person is None) == policy.startswith("refuse"), address
    assert_refuses("recovery_address", "a@univ-exemple.fr", "a@UNIV-EXEMPLE.FR", "a@mail.univ-exemple.fr")


def test_institutional_addresses():
    hostile = ("postmaster@univ-exemple.fr", "a+b@univ-exemple.fr", "=1@univ-exemple.fr", "a b", "root")
    assert_refuses("institutional_address", "camille@exemple.net", *hostile)


def test_ine():
    """INP-04: in capitals, without spaces."""
    assert_accepts("ine", dict.fromkeys(["0123456789A", " 0123456789a ", "01 2345 6789A"], "0123456789A") | {"": ""})
    assert_refuses("ine", "012345678A", "123456789AB2", "\uff10123456789A", "'0123456789A", "1234567890123", "*" * 11)


def test_telephone_numbers():
    """INP-04: in E.164."""
    mobile = ("06 12 34 56 78", "+33 6 12 34 56 78", "0033612345678", "+33 (0)6.12.34.56.78", "06-12-34-56-78")
    overseas = {"0692 12 34 56": "+262692123456", "0596 12 34 56": "+596596123456", "+1 212 555 0100": "+12125550100"}
    assert_accepts("phone", dict.fromkeys(mobile, "+33612345678") | overseas)
    assert_refuses(
        "phone",
        *("\u0660\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", "112", "0899 700 000", "+33899700000"),
        *("+33612345678;ext=9", "tel:+33612345678", "=+33612345678", "0" * 20, "06 12 34 56", "+" + "1" * 16),
    )


def test_nasty_values_are_refused_or_stored_printable():
    """INP-01, INP-02"""
    values = [value for value in N.values() if isinstance(value, str)]
    columns = ("family_name", "employer", "hr_id", "recovery_address", "phone", "ine", "language")
    rows = [{column: value} for column in columns for value in values]
    report = imported(*(another(number, **facts) for number, facts in enumerate(rows, start=1)), another(0))
    assert Account.objects.filter(hr_id="HR0").exists()
    assert report.refused > len(values)
    for stored in Account.objects.values_list("hr_id", "family_name", "employer", "phone", "ine"):
        assert all(text.isprintable() for text in stored)


def test_an_identifier_is_given_to_one_row_of_the_file():
    """ADM-08"""
    report = imported(row(), row(given_name="Autre"), another(3))
    assert (report.created, problems_in(report)) == (2, [(3, "HR1", "hr_id", "error")])
    assert imported_account().given_name == "Camille"
    same = {"institutional_address": "c.durand@univ-exemple.fr"}
    report = imported(another(4, **same), another(5, **same))
    assert problems_in(report) == [(3, "HR5", "institutional_address", "error")]


LONG_DOMAIN = ".".join(["a" * 61] * 4) + ".fr"
PLAIN = ["a", "0_", "x" * 32, "exemple.net"]
ODD = [".", "-", "+", "'", "@", " ", "é", "\u200b", "\n", '"']


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(PLAIN), max_size=3) | st.lists(st.sampled_from(PLAIN + ODD), max_size=5),
    st.sampled_from(["@exemple.net", f"@{LONG_DOMAIN}", "@univ-exemple.fr", "@Exemple.NET", ""]),
)
def test_the_fast_check_of_addresses_agrees_with_the_full_one(pieces, end):
    """INP-03"""
    address = "".join(pieces) + end
    fast, full = RowChecker(), RowChecker()
    assert fast.check(address_row("un@exemple.net", "HR-1")).person
    assert fast.check(address_row(f"un@{LONG_DOMAIN}", "HR-2")).person
    assert fast.check(address_row(address)) == full.check(address_row(address))


def address_row(recovery_address: str, hr_id: str = "HR1") -> Row:
    return Row(2, row(recovery_address=recovery_address, hr_id=hr_id))
