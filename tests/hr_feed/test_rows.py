"""What a cell of the HR file may hold (INP-02, INP-03, INP-04), and the logins made from names."""

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from time_machine import travel

from accounts.models import Account
from hr_feed.login_names import NameRegistry, NoLatinLetter, hyphenated, login_base, uid_base
from hr_feed.parsing.parser import Row
from hr_feed.parsing.rows import CheckedRow, RowChecker
from tests.fuzz import EMAIL, N
from tests.hr_feed.hr_files import another, imported, imported_account, problems_in, row

pytestmark = pytest.mark.django_db

NAMES = st.text(st.characters(categories=["L", "M"], include_characters=" -'’."), max_size=120)
LONG_DOMAIN = ".".join(["a" * 61] * 4) + ".fr"
PLAIN = ["a", "0_", "x" * 32, "exemple.net"]
ODD = [".", "-", "+", "'", "@", " ", "é", "\u200b", "\n", '"']


def checked(**facts: str) -> CheckedRow:
    return RowChecker().check(Row(2, row(**facts)))


def refused_columns(**facts: str) -> list[str]:
    result = checked(**facts)
    columns = [problem.column for problem in result.problems if problem.severity == "error"]
    assert (result.person is None) == bool(columns)
    return columns


def assert_accepts(column: str, values: dict[str, Any]) -> None:
    """Each value is stored as given."""
    people = {value: checked(**{column: value}).person for value in values}
    assert {value: person.values[column] if person else "refused" for value, person in people.items()} == values


def assert_refuses(column: str, *values: str) -> None:
    assert {value: refused_columns(**{column: value}) for value in values} == {value: [column] for value in values}


def unchanged(*values: str) -> dict[str, str]:
    return {value: value for value in values}


class TestCells:
    def test_required_cells_are_not_blank_and_every_problem_is_reported_without_the_cell(self):
        """PRV-04"""
        names = "family_name given_name birth_date category employer recovery_address start_date hr_id"
        for column in names.split():
            assert_refuses(column, "", " \t\u00a0")
        assert refused_columns(birth_date="hier", category="autre", ine="?") == ["birth_date", "category", "ine"]
        hostile = {"recovery_address": "secret secret@exemple.net", "phone": "0612 secret", "family_name": "secret1"}
        problems = checked(**hostile).problems
        assert (len(problems), "secret" in str(problems)) == (3, False)

    def test_identifiers_names_and_categories(self):
        """ADM-08, INP-02: of names letters and what stands between them; composed, with single spaces."""
        assert_accepts("hr_id", unchanged("1", "UDM000012345", "A/1-b.c_d", "x" * 64))
        assert_refuses("hr_id", "x" * 65, "=1+1", "a b", "é1", "a\x00b", "-1", "<b>")
        assert [problem.hr_id for problem in checked(hr_id="=1+1").problems] == [""]
        good = ("Éléonore", "d’Angelo", "O'Connor", "Jean-Pierre", "de La Tour", "Ng", "Ðorđe", "L·l", "Martin Jr.")
        composed = {" E\u0301le\u0301onore ": "Éléonore", "de\u00a0  La   Tour": "de La Tour"}
        bad = ("Dur\nand", "Dur\r\nand", "=1+1", "@SUM(1)", "-", "'", "Durand2", "a_b", "½", "<b>", "Dur\u200band")
        for column in ("family_name", "given_name"):
            assert_accepts(column, unchanged(*good) | composed)
            assert_refuses(column, *bad, "x" * 101)
        assert_accepts("category", {"staff": "staff", "hosted": "hosted", "student": "student", " Staff ": "staff"})
        assert_refuses("category", "is_staff", "agent")
        assert_accepts("language", {"FR": "fr", "en": "en", "": None})
        assert_refuses("language", "de", "français")

    def test_dates(self):
        """INP-04: ISO or French, of people from 14 to 100 years old."""
        born = date(1980, 12, 31)
        assert_accepts("birth_date", {"1980-12-31": born, " 31/12/1980 ": born, "1/2/1980": date(1980, 2, 1)})
        assert_accepts("end_date", {"31/12/2999": date(2999, 12, 31), "": None})
        impossible = ("29/02/1985", "31/04/1980", "01/01/0001", "31/12/9999", "2030-01-01", "00/00/0000", "13/13/1980")
        foreign = ("01-01-1980", "01/01/68", "1er janvier 1980", "\uff11\uff19\uff18\uff10-01-01", "-1", "19800101")
        assert_refuses("birth_date", *impossible, *foreign, "01/01/1980\x00", "1980-W01-1", "1980-1-1")
        with travel("2026-11-22T12:00:00+01:00", tick=False):
            assert_accepts("birth_date", {"2012-11-22": date(2012, 11, 22), "1925-11-23": date(1925, 11, 23)})
            assert_refuses("birth_date", "2012-11-23", "1925-11-22")
        assert refused_columns(start_date="2024-09-01", end_date="2024-08-31") == ["end_date"]

    def test_addresses_follow_the_policy_and_are_outside_the_university_or_of_it(self, settings):
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
        hostile = ("postmaster@univ-exemple.fr", "a+b@univ-exemple.fr", "=1@univ-exemple.fr", "a b", "root")
        assert_refuses("institutional_address", "camille@exemple.net", *hostile)

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(st.sampled_from(PLAIN), max_size=3) | st.lists(st.sampled_from(PLAIN + ODD), max_size=5),
        st.sampled_from(["@exemple.net", f"@{LONG_DOMAIN}", "@univ-exemple.fr", "@Exemple.NET", ""]),
    )
    def test_the_fast_check_of_addresses_agrees_with_the_full_one(self, pieces, end):
        """INP-03"""
        typed, fast = Row(2, row(recovery_address="".join(pieces) + end)), RowChecker()
        for number, domain in enumerate(("exemple.net", LONG_DOMAIN)):
            assert fast.check(Row(2, row(recovery_address=f"un@{domain}", hr_id=f"HR-{number}"))).person
        assert fast.check(typed) == RowChecker().check(typed)

    def test_ines_and_telephone_numbers(self):
        """INP-04: in capitals, without spaces; in E.164."""
        ines = ["0123456789A", " 0123456789a ", "01 2345 6789A"]
        assert_accepts("ine", dict.fromkeys(ines, "0123456789A") | {"": ""})
        assert_refuses(
            "ine", "012345678A", "123456789AB2", "\uff10123456789A", "'0123456789A", "1234567890123", "*" * 11
        )
        mobile = ("06 12 34 56 78", "+33 6 12 34 56 78", "0033612345678", "+33 (0)6.12.34.56.78", "06-12-34-56-78")
        abroad = {"0692 12 34 56": "+262692123456", "0596 12 34 56": "+596596123456", "+1 212 555 0100": "+12125550100"}
        assert_accepts("phone", dict.fromkeys(mobile, "+33612345678") | abroad)
        dear = ("112", "0899 700 000", "+33899700000", "+33612345678;ext=9", "tel:+33612345678", "=+33612345678")
        arabic = "\u0660\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668"
        assert_refuses("phone", *dear, arabic, "0" * 20, "06 12 34 56", "+" + "1" * 16)

    def test_nasty_values_are_refused_or_stored_printable(self):
        """INP-01, INP-02"""
        values = [value for value in N.values() if isinstance(value, str)]
        columns = ("family_name", "employer", "hr_id", "recovery_address", "phone", "ine", "language")
        rows = [{column: value} for column in columns for value in values]
        report = imported(*(another(number, **facts) for number, facts in enumerate(rows, start=1)), another(0))
        assert Account.objects.filter(hr_id="HR0").exists()
        assert report.refused > len(values)
        for stored in Account.objects.values_list("hr_id", "family_name", "employer", "phone", "ine"):
            assert all(text.isprintable() for text in stored)

    def test_an_identifier_is_given_to_one_row_of_the_file(self):
        """ADM-08"""
        report = imported(row(), row(given_name="Autre"), another(3))
        assert (report.created, problems_in(report)) == (2, [(3, "HR1", "hr_id", "error")])
        assert imported_account().given_name == "Camille"
        same = {"institutional_address": "c.durand@univ-exemple.fr"}
        report = imported(another(4, **same), another(5, **same))
        assert problems_in(report) == [(3, "HR5", "institutional_address", "error")]


class TestLoginNames:
    def test_names_become_plain_letters(self):
        for given_name, family, login, uid in (
            ("CAMILLE", "DURAND", "camille.durand", "cdurand"),
            ("Éléonore", "Lefèvre", "eleonore.lefevre", "elefevre"),
            ("Jean-Pierre", "de La Tour", "jean-pierre.de-la-tour", "jdelatour"),
            ("Maëva", "D’Angelo", "maeva.dangelo", "mdangelo"),
            ("Œdipe", "Ægir", "oedipe.aegir", "oaegir"),
            ("Łukasz", "Størmer", "lukasz.stormer", "lstormer"),
            ("Đorđe", "Großmann", "dorde.grossmann", "dgrossmann"),
            ("Anne", "Dupré--Martin ", "anne.dupre-martin", "adupremartin"),
            ("李", "Wang", "wang", "wang"),
            ("Ming", "李", "ming", "ming"),
        ):
            assert (login_base(given_name, family), uid_base(given_name, family, login)) == (login, uid)
        with pytest.raises(NoLatinLetter):
            login_base("明", "李")
        assert not login_base("Marie-" * 16, "de-la-" * 16).endswith("-")

    @given(given=NAMES, family=NAMES)
    def test_login_and_uid_fit_and_leave_room_for_a_number(self, given, family):
        try:
            login = login_base(given, family)
        except NoLatinLetter:
            assert hyphenated(given) == hyphenated(family) == ""
            return
        uid = NameRegistry(set()).give(uid_base(given, family, login))
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)?", login)
        assert len(login) <= 57
        assert re.fullmatch(r"[a-z][a-z0-9]{0,19}", uid)

    def test_homonyms_get_the_next_free_number_and_reserved_names_are_never_given(self):
        taken = NameRegistry({"cdurand", "cdurand3"})
        assert [taken.give("cdurand") for _ in range(3)] == ["cdurand2", "cdurand4", "cdurand5"]
        assert uid_base("Robert", "Oot", "robert.oot") == "root"
        for name in ("root", "postmaster", "daemon"):
            assert NameRegistry(set()).give(name) == f"{name}2"
