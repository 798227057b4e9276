"""Files as HR systems, spreadsheets and accidents make them (ADM-08)."""

from io import BytesIO
from itertools import product

import pytest

from accounts.models import Account
from hr_feed.columns import COLUMNS, required_columns
from hr_feed.importer import import_feed
from hr_feed.parsing import parser
from hr_feed.parsing.parser import FeedFile, UnreadableFile
from hr_feed.report import ImportReport
from tests.hr_feed.hr_files import another, imported_account, problems_in, row, stream_of, text_of

pytestmark = pytest.mark.django_db

ZOE = row(given_name="Zoé", family_name="Lefèvre")
HEADER = ";".join(COLUMNS)


def imported(text: str | bytes) -> ImportReport:
    return import_feed(BytesIO(text if isinstance(text, bytes) else text.encode()))


def refusal_of(content: bytes) -> str:
    with pytest.raises(UnreadableFile) as refusal:
        import_feed(BytesIO(content))
    assert not Account.objects.exists()
    return str(refusal.value)


def line_of(cells: dict[str, str]) -> str:
    return text_of(cells).splitlines()[1]


def test_the_usual_spellings_of_csv_are_read():
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


def test_a_damaged_line_does_not_change_the_encoding_of_the_others():
    good = text_of(ZOE, another(2, given_name="Éric")).encode()
    damaged = line_of(another(3, given_name="?")).encode().replace(b"?", "Hélène".encode("cp1252"))
    report = imported(good + damaged + b"\n")
    assert imported_account().full_name == "Zoé Lefèvre"
    assert problems_in(report) == [(4, "HR3", "given_name", "error")]


def test_unknown_columns_are_accepted_and_never_stored():
    """PRV-04"""
    secret = "184052A07512345"
    report = import_feed(stream_of(row(nir=secret, adresse="1 rue\nde la Loi"), columns=(*COLUMNS, "nir", "adresse")))
    assert report.created == 1
    assert secret not in str(list(Account.objects.values()))


def test_a_column_called_like_a_password_refuses_the_whole_file():
    """PWD-07"""
    headings = ("password", "Mot de passe", "MOT_DE_PASSE", "motdepasse", "mdp", "pwd", "userPassword", "mot-dé-passe")
    for heading in headings:
        assert "mot de passe" in refusal_of(text_of(row(), columns=(*COLUMNS, heading)).encode()), heading


def test_a_file_of_another_kind_or_without_our_columns_is_refused_with_a_sentence():
    assert refusal_of(b"") == "Le fichier est vide."
    for content in (b"PK\x03\x04\x14\x00\x06\x00", b"PK\x05\x06" + b"\x00" * 18, b"\xd0\xcf\x11\xe0"):
        assert "CSV UTF-8" in refusal_of(content)
    for content in (b"\n", b"\xef\xbb\xbf", b"\x00" * 100, b"nom;prenom\nDurand;Camille\n"):
        assert HEADER in refusal_of(content)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        assert refusal_of(text_of(row()).encode(encoding))


def test_missing_and_repeated_columns_are_named():
    for column in required_columns():
        assert column in refusal_of(text_of(row(), columns=[name for name in COLUMNS if name != column]).encode())
    assert "phone" in refusal_of(text_of(row(), columns=(*COLUMNS, "phone")).encode())


def test_a_file_with_too_many_lines_or_bytes_is_refused_before_any_change(monkeypatch):
    assert "300" in refusal_of(text_of(row()).encode() + b"\n" * 300_001)
    monkeypatch.setattr(parser, "LARGEST_FILE", 300)
    assert "200" in refusal_of(text_of(*(another(n) for n in range(1, 9))).encode())


def test_blank_lines_are_skipped_and_empty_cells_at_the_end_are_optional():
    short, long = (line_of(another(n, phone="")) for n in (1, 2))
    text = f"{HEADER}\n{short.rstrip(';')}\n{long};;;\n\n\n" + ";" * 12 + "\n"
    report = imported(text)
    assert (report.read, report.created, report.problems) == (2, 2, [])


def test_a_malformed_line_loses_only_itself():
    """ADM-08: an unclosed or misplaced quotation mark, too many cells, a line that is too long."""
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


def test_lines_are_numbered_as_in_the_file():
    """INP-02: blank lines and the line breaks of a quoted cell count."""
    report = import_feed(stream_of(row(family_name="Dur\nand"), another(2, ine="?")))
    assert problems_in(report) == [(2, "HR1", "family_name", "error"), (4, "HR2", "ine", "error")]
    text = text_of(row(ine="?")).replace("\n", "\n\n", 1) + "\n" + line_of(another(2, ine="?"))
    assert [problem[0] for problem in problems_in(imported(text))] == [3, 5]
