"""HR files as HR systems, spreadsheets, accidents and attackers make them (ADM-08); what a cell may hold (INP-02, INP-03,
INP-04); the logins made from names."""

from contextlib import suppress
from datetime import date
from io import BytesIO
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from time_machine import travel

from accounts.models import Account
from core.email_addresses import canonical_address
from hr_feed.columns import COLUMNS, required_columns
from hr_feed.importer import import_feed
from hr_feed.login_names import NameRegistry, NameTooLong, NotLatin, login_base, uid_base
from hr_feed.parsing import encoding as whole_file
from hr_feed.parsing.parser import FeedFile, Row, UnreadableFile
from hr_feed.parsing.rows import CheckedRow, RowChecker
from hr_feed.report import ImportReport, Severity
from journal.events import Event
from journal.models import JournalEntry
from outbox.models import Message
from tests.fuzz import BIRTH, EMAIL, INE, PHONE, N
from tests.hr_feed.hr_files import CAMILLE, another, imported_account, problems_in, row, stream_of, text_of

pytestmark = pytest.mark.django_db

ZOE = row(given_name="Zoé", family_name="Lefèvre")
HEADER = ";".join(COLUMNS)
# The database is rolled back after the test, not after each example.
with_a_database = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CELLS = st.one_of(
    st.text(max_size=30),
    st.sampled_from([value for value in N.values() if isinstance(value, str) and len(value) < 1_000]),
    st.sampled_from([*CAMILLE.values(), *BIRTH, *INE, *PHONE, *(address for address, _wanted in EMAIL)]),
)
LONG_DOMAIN = ".".join(["a" * 61] * 4) + ".fr"
PLAIN = ["a", "0_", "x" * 32, "exemple.net"]
ODD = [".", "-", "+", "'", "@", " ", "é", "\u200b", "\n", '"']


def imported(text: str | bytes) -> ImportReport:
    return import_feed(BytesIO(text if isinstance(text, bytes) else text.encode(errors="surrogatepass")))


def refusal_of(text: str | bytes) -> str:
    with pytest.raises(UnreadableFile) as refusal:
        imported(text)
    assert not Account.objects.exists()
    return str(refusal.value)


def line_of(cells: dict[str, str]) -> str:
    return text_of(cells).splitlines()[1]


def assert_adds_up(report: ImportReport) -> None:
    """Each row is counted, each refused row has a reason."""
    changed = report.updated + report.corrected + report.proposed
    assert report.read - report.refused - report.created - changed <= report.unchanged
    assert min(report.created, report.unchanged, report.refused) >= 0
    refused_lines = {problem.line for problem in report.problems if problem.severity == Severity.ERROR}
    assert len(refused_lines) == report.refused
    assert all(problem.reason for problem in report.problems)


class TestFile:
    def test_the_usual_spellings_of_csv_are_read(self):
        """Latin 9 and Windows disagree on some letters; columns may come in any order and case."""
        for delimiter, end, encoding in product(";,", ("\n", "\r\n"), ("utf-8", "utf-8-sig", "iso8859-15", "cp1252")):
            text = text_of(ZOE, another(2), delimiter=delimiter, end=end)
            first, second = FeedFile(BytesIO(text.encode(encoding)))
            assert (first.cells, second.line) == (ZOE, 3), (delimiter, end, encoding)
        for given_name, encoding in (("Šarka", "iso8859-15"), ("Žofia", "cp1252")):
            imported(text_of(row(family_name="Œuvrard", given_name=given_name)).encode(encoding))
            assert imported_account().full_name == f"{given_name} Œuvrard"
        heading, rest = text_of(another(3), columns=list(reversed(COLUMNS))).split("\n", 1)
        assert imported(f" {heading.upper()} \n{rest}").created == 1

    def test_unknown_columns_are_accepted_and_never_stored(self):
        """PRV-04, INP-06: nor do those that are named like ours give rights."""
        secret = "184052A07512345"
        extra = {"is_staff": "1", "is_superuser": "1", "activated_at": "2026-01-01", "uid": "root"}
        cells = row(nir=secret, adresse="1 rue\nde la Loi", **extra)
        assert import_feed(stream_of(cells, columns=cells)).created == 1
        assert secret not in str(list(Account.objects.values()))
        camille = imported_account()
        given_to = (camille.is_staff, camille.is_superuser, camille.activated_at, camille.uid)
        assert given_to == (False, False, None, "cdurand")

    def test_a_column_called_like_a_password_refuses_the_whole_file(self):
        """PWD-07"""
        for heading in ("password", "Mot de passe", "MOT_DE_PASSE", "mdp", "pwd", "userPassword", "mot-dé-passe"):
            assert "mot de passe" in refusal_of(text_of(row(), columns=(*COLUMNS, heading))), heading

    def test_a_file_of_another_kind_or_size_or_without_our_columns_is_refused_with_a_sentence(self, monkeypatch):
        assert refusal_of(b"") == "Le fichier est vide."
        for content in (b"PK\x03\x04\x14\x00\x06\x00", b"PK\x05\x06" + b"\x00" * 18, b"\xd0\xcf\x11\xe0"):
            assert "CSV UTF-8" in refusal_of(content)
        for content in (b"\n", b"\xef\xbb\xbf", b"\x00" * 100, b"nom;prenom\nDurand;Camille\n"):
            assert HEADER in refusal_of(content)
        for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
            assert refusal_of(text_of(row()).encode(encoding))
        for column in required_columns():
            assert column in refusal_of(text_of(row(), columns=[name for name in COLUMNS if name != column]))
        assert "phone" in refusal_of(text_of(row(), columns=(*COLUMNS, "phone")))
        assert "300" in refusal_of(text_of(row()) + "\n" * 300_001)
        monkeypatch.setattr(whole_file, "LARGEST_FILE", 300)
        assert "200" in refusal_of(text_of(*(another(n) for n in range(1, 9))))


class TestLines:
    def test_blank_lines_are_skipped_and_empty_cells_at_the_end_are_optional(self):
        short, long = (line_of(another(n, phone="")) for n in (1, 2))
        report = imported(f"{HEADER}\n{short.rstrip(';')}\n{long};;;\n\n\n" + ";" * 12 + "\n")
        assert (report.read, report.created, report.problems) == (2, 2, [])

    def test_a_malformed_line_loses_only_itself(self):
        """An unclosed or misplaced quotation mark, too many cells, too long a line, bytes of another encoding."""
        rest = "\n".join(line_of(another(n)) for n in (2, 3, 4))
        misquoted = ('HR9;"Durand;Camille', 'HR9;"Dur"and;Camille', 'HR9;Durand;"Ca\rmille')
        too_long = (f"{line_of(row())};encore", line_of(another(9, employer="é" * 50_000)))
        for number, malformed in enumerate((*misquoted, *too_long)):
            report = imported(f"{HEADER}\n{malformed}\n{rest}\n")
            assert (report.created, report.unchanged) == ((0, 3) if number else (3, 0)), malformed[:40]
            assert problems_in(report) == [(2, "", "", "error")]
        damaged = line_of(another(5, given_name="?")).encode().replace(b"?", "Hélène".encode("cp1252"))
        report = imported(text_of(ZOE, another(6, given_name="Éric")).encode() + damaged + b"\n")
        assert imported_account().full_name == "Zoé Lefèvre"
        assert problems_in(report) == [(4, "HR5", "given_name", "error")]

    def test_lines_are_numbered_as_in_the_file(self):
        """INP-02: blank lines and the line breaks of a quoted cell count."""
        report = import_feed(stream_of(row(family_name="Dur\nand"), another(2, category="?")))
        assert problems_in(report) == [(2, "HR1", "family_name", "error"), (4, "HR2", "category", "error")]
        text = text_of(row(category="?")).replace("\n", "\n\n", 1) + "\n" + line_of(another(2, category="?"))
        assert [problem[0] for problem in problems_in(imported(text))] == [3, 5]


class TestHostileFiles:
    """ADM-08"""

    @with_a_database
    @given(content=st.binary(max_size=600))
    @example(content=b'"' * 50 + b"\n" * 50)
    @example(content=b"\x00;" * 12)
    @example(content=b'"\n' * 30 + b'";')
    def test_any_bytes_are_refused_as_a_whole_and_behind_a_good_header_row_by_row(self, content):
        with pytest.raises(UnreadableFile, match=r"\w"):
            imported(content)
        # Few letters, all of an old Mac.
        with suppress(UnreadableFile):
            assert_adds_up(imported(HEADER.encode() + b"\n" + content))

    @with_a_database
    @given(facts=st.fixed_dictionaries({}, optional={column: CELLS for column in COLUMNS if column != "hr_id"}))
    def test_any_cells_are_imported_or_reported(self, facts):
        report = imported(text_of(row(**facts)))
        assert_adds_up(report)
        if not report.refused:
            camille = imported_account()
            assert canonical_address(camille.recovery_address) == camille.recovery_address
            assert canonical_address(camille.login) == camille.login == camille.login.lower()
            assert all(map(str.isprintable, (camille.full_name, camille.employer, camille.ine, camille.phone)))

    def test_hostile_rows_do_not_affect_the_good_ones(self, monkeypatch):
        """But for the same person; the number of problems kept is bounded."""
        monkeypatch.setattr("hr_feed.report.MOST_PROBLEMS", 8)
        bad = [another(11 + n, recovery_address="jean@exemple.net\r\nBcc: victime@example.org") for n in range(6)]
        bad += [another(17, employer="a\x00b"), another(18, given_name="\u202egpj.exe")]
        report = imported(text_of(another(1), another(2), another(3), another(4, category="?"), another(4), *bad))
        assert (report.created, report.refused) == (3, len(bad) + 2)
        assert (len(report.problems), report.problems_left_out) == (8, 2)
        assert set(Account.objects.values_list("hr_id", flat=True)) == {"HR1", "HR2", "HR3"}
        assert Message.objects.count() == JournalEntry.objects.filter(event=Event.USER_CREATED).count() == 3


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


class TestCells:
    def test_required_cells_are_not_blank_and_every_problem_is_reported_without_the_cell(self):
        """PRV-04"""
        for column in ["birth_date", "category", "employer", "recovery_address", "start_date", "hr_id"]:
            assert_refuses(column, "", " \t\u00a0")
        assert refused_columns(family_name="", given_name=" -\u00a0") == ["family_name"]
        wrong = {"birth_date": "hier", "category": "autre", "start_date": "?"}
        assert refused_columns(**wrong) == list(wrong)
        hostile = {"recovery_address": "secret secret@exemple.net", "category": "secret", "family_name": "secret1"}
        problems = checked(**hostile).problems
        assert (len(problems), "secret" in str(problems)) == (3, False)

    def test_identifiers_names_and_categories(self):
        """ADM-08, INP-02: of names letters and what stands between them; composed, with single spaces."""
        assert_accepts("hr_id", {hr_id: hr_id for hr_id in ("1", "UDM000012345", "A/1-b.c_d", "x" * 64)})
        assert_refuses("hr_id", "x" * 65, "=1+1", "a b", "é1", "a\x00b", "-1", "<b>")
        assert [problem.hr_id for problem in checked(hr_id="=1+1").problems] == [""]
        good = ("Éléonore", "d'Angelo", "O'Connor", "Jean-Pierre", "de La Tour", "Ng", "Ðorđe", "L·l", "Martin Jr.")
        composed = {" E\u0301le\u0301onore ": "Éléonore", "de\u00a0  La   Tour": "de La Tour", ".": ""}
        bad = ("Dur\nand", "Dur\r\nand", "=1+1", "@SUM(1)", "--", "'", "Durand2", "a_b", "½", "<b>", "Dur\u200band")
        for column in ("family_name", "given_name"):
            assert_accepts(column, {name: name for name in good} | composed)
            assert_refuses(column, *bad, "x" * 101)
        assert_accepts("category", {"staff": "staff", "hosted": "hosted", "student": "student", " Staff ": "staff"})
        assert_refuses("category", "is_staff", "agent")
        assert_accepts("language", {"FR": "fr", "en": "en", "": None, "de": None, "français": None})

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
        for damaged in ("012345678A", "123456789AB2", "\uff10123456789A", "1234567890123", "*" * 11):
            assert_accepts("ine", {damaged: None})
        mobile = ("06 12 34 56 78", "+33 6 12 34 56 78", "0033612345678", "+33 (0)6.12.34.56.78", "06-12-34-56-78")
        abroad = {"0692 12 34 56": "+262692123456", "0596 12 34 56": "+596596123456", "+1 212 555 0100": "+12125550100"}
        assert_accepts("phone", dict.fromkeys(mobile, "+33612345678") | abroad)
        dear = ("112", "0899 700 000", "+33899700000", "+33612345678;ext=9", "=+33612345678")
        arabic = "\u0660\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668"
        assert_accepts("phone", dict.fromkeys((*dear, arabic, "0" * 20, "06 12 34 56", "+" + "1" * 16)))


def test_names_become_plain_letters_numbered_for_homonyms_and_never_reserved_ones():
    for given_name, family, login, uid in (
        ("Éléonore", "Lefèvre", "eleonore.lefevre", "elefevre"),
        ("Jean-Pierre", "de La Tour", "jean-pierre.de-la-tour", "jdelatour"),
        ("Maëva", "D’Angelo", "maeva.dangelo", "mdangelo"),
        ("Œdipe", "Ægir", "oedipe.aegir", "oaegir"),
        ("Łukasz", "Størmer", "lukasz.stormer", "lstormer"),
        ("Đorđe", "Großmann", "dorde.grossmann", "dgrossmann"),
        ("Anne", "Dupré--Martin ", "anne.dupre-martin", "adupremartin"),
        ("ʿAbd", "M´Saʿd‑N`Zi", "abd.msad-nzi", "amsadnzi"),
        ("Iğdır", "IŞIL Ǿ", "igdir.isil-o", "iisilo"),
        ("", "Sukarno", "sukarno", "sukarno"),
    ):
        assert (login_base(given_name, family), uid_base(given_name, family, login)) == (login, uid)
    for given_name, family in (("明", "李"), ("李", "Wang"), ("Ming", "李"), ("Əli", "Ağayev"), ("Νίκος", "Papas")):
        with pytest.raises(NotLatin):
            login_base(given_name, family)
        assert uid_base(given_name, family, "ming.li2@x") == "mingli"
    assert len(login_base("a" * 26, "b" * 30)) == 57
    with pytest.raises(NameTooLong):
        login_base("a" * 26, "b" * 31)
    assert len(uid_base("Li", "Xy" * 50, "li.xy")) == 14
    taken = NameRegistry({"cdurand", "cdurand3"})
    assert [taken.give("cdurand") for _ in range(3)] == ["cdurand2", "cdurand4", "cdurand5"]
    assert uid_base("Robert", "Oot", "robert.oot") == "root"
    assert [NameRegistry(set()).give(name) for name in ("root", "postmaster")] == ["root2", "postmaster2"]
