"""Files as HR systems, spreadsheets and accidents make them (design §8, ADM-08)."""

from io import BytesIO

import pytest

from accounts.models import Account
from hr_feed.columns import COLUMNS, required_columns
from hr_feed.importer import import_feed
from hr_feed.parsing import parser as reading
from hr_feed.parsing.parser import UnreadableFile
from tests.hr_feed.hr_files import another, person, row, stream_of, text_of, told

pytestmark = pytest.mark.django_db

ZOE = row(given_name="Zoé", family_name="Lefèvre")
HEADER = ";".join(COLUMNS)


def refusal_of(content: bytes) -> str:
    """Why nothing of the file is taken; nothing is."""
    with pytest.raises(UnreadableFile) as refusal:
        import_feed(BytesIO(content))
    assert not Account.objects.exists()
    return str(refusal.value)


@pytest.mark.parametrize("delimiter", [";", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "iso8859-15", "cp1252"])
def test_the_usual_spellings_of_csv_are_read(delimiter, end, encoding):
    text = text_of(ZOE, another(2), delimiter=delimiter, end=end)

    report = import_feed(BytesIO(text.encode(encoding)))

    assert (report.created, report.problems) == (2, [])
    assert person().full_name == "Zoé Lefèvre"


def test_latin_9_and_windows_disagree_on_some_letters_and_both_are_read():
    latin_9 = text_of(row(family_name="Œuvrard", given_name="Šárka")).replace("Šárka", "Šarka")
    import_feed(BytesIO(latin_9.encode("iso8859-15")))
    assert person().full_name == "Šarka Œuvrard"

    windows = text_of(row(family_name="Œuvrard", given_name="Žofia"))
    import_feed(BytesIO(windows.encode("cp1252")))
    assert person().full_name == "Žofia Œuvrard"


def test_a_damaged_line_does_not_change_the_encoding_of_the_others():
    good, bad = text_of(ZOE, another(2, given_name="Éric")).encode(), "Hélène".encode("cp1252")
    damaged = text_of(another(3, given_name="?")).splitlines()[1].encode().replace(b"?", bad)

    report = import_feed(BytesIO(good + damaged + b"\n"))

    assert person().full_name == "Zoé Lefèvre"
    assert told(report) == [(4, "HR3", "given_name", "error")]


def test_columns_may_come_in_any_order_and_any_case():
    columns = tuple(reversed(list(COLUMNS)))
    text = text_of(row(), columns=columns)
    heading, rest = text.split("\n", 1)

    assert import_feed(BytesIO(f" {heading.upper()} \n{rest}".encode())).created == 1


def test_unknown_columns_are_accepted_and_never_stored():
    """PRV-04"""
    secret = "184052A07512345"
    report = import_feed(stream_of(row(nir=secret, adresse="1 rue\nde la Loi"), columns=(*COLUMNS, "nir", "adresse")))

    assert report.created == 1
    assert secret not in str(list(Account.objects.values()))


@pytest.mark.parametrize(
    "heading", ["password", "Mot de passe", "MOT_DE_PASSE", "motdepasse", "mdp", "pwd", "userPassword", "mot-dé-passe"]
)
def test_a_column_called_like_a_password_refuses_the_whole_file(heading):
    """PWD-07"""
    assert "mot de passe" in refusal_of(text_of(row(), columns=(*COLUMNS, heading)).encode())


def test_an_empty_file_says_so():
    assert refusal_of(b"") == "Le fichier est vide."


@pytest.mark.parametrize("content", [b"PK\x03\x04\x14\x00\x06\x00", b"PK\x05\x06" + b"\x00" * 18, b"\xd0\xcf\x11\xe0"])
def test_a_workbook_or_an_archive_is_told_what_to_do(content):
    assert "CSV UTF-8" in refusal_of(content)


@pytest.mark.parametrize("content", [b"\n", b"\xef\xbb\xbf", b"\x00" * 100, b"nom;prenom\nDurand;Camille\n"])
def test_a_file_without_our_columns_is_told_which_ones_they_are(content):
    assert HEADER in refusal_of(content)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused(encoding):
    assert refusal_of(text_of(row()).encode(encoding))


@pytest.mark.parametrize("column", required_columns())
def test_a_missing_column_is_named(column):
    columns = tuple(name for name in COLUMNS if name != column)

    assert column in refusal_of(text_of(row(), columns=columns).encode())


def test_a_column_that_stands_there_twice_is_named():
    assert "phone" in refusal_of(text_of(row(), columns=(*COLUMNS, "phone")).encode())


def test_a_file_that_is_too_large_is_refused_before_anything_is_done(monkeypatch):
    monkeypatch.setattr(reading, "LARGEST_FILE", 300)

    assert "200" in refusal_of(text_of(*(another(n) for n in range(1, 9))).encode())


def test_a_file_with_too_many_lines_is_refused_before_anything_is_done():
    assert "300" in refusal_of(text_of(row()).encode() + b"\n" * 300_001)


def test_blank_lines_and_empty_rows_are_not_people():
    text = text_of(row()) + "\n\n" + ";" * 12 + "\n"

    report = import_feed(BytesIO(text.encode()))

    assert (report.read, report.created, report.problems) == (1, 1, [])


def test_cells_that_a_spreadsheet_left_out_or_added_at_the_end_are_empty():
    short, long = (text_of(another(n, phone="")).splitlines()[1] for n in (1, 2))
    text = f"{HEADER}\n{short.rstrip(';')}\n{long};;;\n"

    assert import_feed(BytesIO(text.encode())).created == 2


def test_a_row_with_too_many_cells_is_refused():
    text = f"{text_of(row()).rstrip()};encore\n"

    assert told(import_feed(BytesIO(text.encode()))) == [(2, "", "", "error")]


@pytest.mark.parametrize("spoilt", ['HR9;"Durand;Camille', 'HR9;"Dur"and;Camille', 'HR9;Durand;"Ca\rmille'])
def test_a_forgotten_quotation_mark_spoils_its_own_line_only(spoilt):
    """ADM-08"""
    rest = "\n".join(text_of(another(n)).splitlines()[1] for n in (2, 3, 4))

    report = import_feed(BytesIO(f"{HEADER}\n{spoilt}\n{rest}\n".encode()))

    assert report.created == 3
    assert told(report) == [(2, "", "", "error")]


def test_a_line_break_in_a_name_is_refused_and_the_next_line_is_numbered_right():
    """INP-02"""
    report = import_feed(stream_of(row(family_name="Dur\nand"), another(2, ine="?")))

    assert told(report) == [(2, "HR1", "family_name", "error"), (4, "HR2", "ine", "error")]


def test_a_line_that_is_too_long_is_refused_and_the_others_go_in():
    long = text_of(another(9, employer="é" * 50_000)).splitlines()[1]
    text = text_of(row()) + long + "\n" + text_of(another(2)).splitlines()[1]

    report = import_feed(BytesIO(text.encode()))

    assert (report.created, told(report)) == (2, [(3, "", "", "error")])


def test_lines_are_numbered_as_in_the_file():
    text = text_of(row(ine="?")).replace("\n", "\n\n", 1) + "\n" + text_of(another(2, ine="?")).splitlines()[1]

    assert [problem[0] for problem in told(import_feed(BytesIO(text.encode())))] == [3, 5]
