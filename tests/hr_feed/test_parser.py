"""Files as HR systems, spreadsheets, accidents and attackers make them (ADM-08)."""

from io import BytesIO
from itertools import product

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import Account
from core.email_addresses import canonical_address
from hr_feed.columns import COLUMNS, required_columns
from hr_feed.importer import import_feed
from hr_feed.parsing import parser
from hr_feed.parsing.parser import FeedFile, UnreadableFile
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
        monkeypatch.setattr(parser, "LARGEST_FILE", 300)
        assert "200" in refusal_of(text_of(*(another(n) for n in range(1, 9))))


class TestLines:
    def test_blank_lines_are_skipped_and_empty_cells_at_the_end_are_optional(self):
        short, long = (line_of(another(n, phone="")) for n in (1, 2))
        report = imported(f"{HEADER}\n{short.rstrip(';')}\n{long};;;\n\n\n" + ";" * 12 + "\n")
        assert (report.read, report.created, report.problems) == (2, 2, [])

    def test_a_malformed_line_loses_only_itself(self):
        """An unclosed or misplaced quotation mark, too many cells, too long a line, bytes of another encoding."""
        rest = "\n".join(line_of(another(n)) for n in (2, 3, 4))
        for number, malformed in enumerate(
            (
                'HR9;"Durand;Camille',
                'HR9;"Dur"and;Camille',
                'HR9;Durand;"Ca\rmille',
                f"{line_of(row())};encore",
                line_of(another(9, employer="é" * 50_000)),
            )
        ):
            report = imported(f"{HEADER}\n{malformed}\n{rest}\n")
            assert (report.created, report.unchanged) == ((0, 3) if number else (3, 0)), malformed[:40]
            assert problems_in(report) == [(2, "", "", "error")]
        damaged = line_of(another(5, given_name="?")).encode().replace(b"?", "Hélène".encode("cp1252"))
        report = imported(text_of(ZOE, another(6, given_name="Éric")).encode() + damaged + b"\n")
        assert imported_account().full_name == "Zoé Lefèvre"
        assert problems_in(report) == [(4, "HR5", "given_name", "error")]

    def test_lines_are_numbered_as_in_the_file(self):
        """INP-02: blank lines and the line breaks of a quoted cell count."""
        report = import_feed(stream_of(row(family_name="Dur\nand"), another(2, ine="?")))
        assert problems_in(report) == [(2, "HR1", "family_name", "error"), (4, "HR2", "ine", "error")]
        text = text_of(row(ine="?")).replace("\n", "\n\n", 1) + "\n" + line_of(another(2, ine="?"))
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
        """Even for the same person; the number of problems kept is bounded."""
        monkeypatch.setattr("hr_feed.report.MOST_PROBLEMS", 8)
        hostile = [
            {"recovery_address": "a@univ-exemple.fr"},
            {"recovery_address": "a@exemple.net,b@evil.example"},
            {"recovery_address": "jean@exemple.net\r\nBcc: victime@example.org"},
            {"family_name": "Dur\r\nBcc: victime@example.org"},
            {"family_name": '=HYPERLINK("https://evil.example")'},
            {"category": "is_staff"},
            {"given_name": "\u202egpj.exe"},
            {"employer": "a\x00b"},
        ]
        bad = [another(1), *(another(11 + n, **facts) for n, facts in enumerate(hostile))]
        report = imported(text_of(another(1, ine="?"), another(1), another(2), another(3), *bad))
        assert (report.created, report.refused) == (3, len(bad) + 1)
        assert (len(report.problems), report.problems_left_out) == (8, 2)
        assert set(Account.objects.values_list("hr_id", flat=True)) == {"HR1", "HR2", "HR3"}
        assert Message.objects.count() == JournalEntry.objects.filter(event=Event.USER_CREATED).count() == 3
