"""Reads a CSV file line by line.

A malformed line loses only itself: an unclosed quotation mark must not swallow the rows after it.
"""

import codecs
import csv
import re
import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hr_feed.columns import COLUMNS, required_columns

PASSWORD_WORDS = ("password", "passwd", "passphrase", "motdepasse", "motpasse", "mdp", "pwd")
LARGEST_FILE = 200_000_000
#: Three times the largest French university. RowChecker keeps some values of every line in memory.
MOST_LINES = 300_000
LONGEST_LINE = 20_000
MOST_LINES_IN_A_ROW = 20
BLOCK = 1 << 20

DELIMITERS = ";,"
BOM = "\ufeff"
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: ZIP (also XLSX and ODS), and XLS.
WORKBOOK_MARKS = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")
HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
UTF_8_SEQUENCES = re.compile(rb"(?:[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+")
ONLY_IN_CP1252 = re.compile(rb"[\x80-\x9f]")

TOO_LONG = gettext_lazy("Cette ligne est trop longue")
MALFORMED = gettext_lazy("Cette ligne n’a pas les colonnes de la première, ou un guillemet n’y est pas fermé")


class UnreadableFile(Exception):
    """No row can be read. The message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Row:
    """The known columns of a row; with a `fault`, a line that could not be read."""

    line: int
    cells: dict[str, str]
    fault: str | Promise = ""


@dataclass(frozen=True, slots=True)
class Survey:
    lines: int
    encoding: str


class FeedFile:
    """Checks size, encoding and header; iterate over its rows, once. `stream` is seekable. Raises UnreadableFile."""

    def __init__(self, stream: BinaryIO) -> None:
        survey = survey_of(stream)
        self.lines = survey.lines
        self._lines = _Lines(stream, survey.encoding)
        self._delimiter, self._headings = _header(self._lines.take())
        self.columns = frozenset(self._headings).intersection(COLUMNS)
        self._places = [(self._headings.index(column), column) for column in COLUMNS if column in self.columns]

    @property
    def lines_read(self) -> int:
        return self._lines.number

    def __iter__(self) -> Iterator[Row]:
        while (text := self._lines.take()) is not None:
            row = self._row(self._lines.number, text)
            if row is not None:
                yield row

    def _row(self, line: int, text: str) -> Row | None:
        if len(text) > LONGEST_LINE:
            return Row(line, {}, TOO_LONG)
        values = self._values(text)
        if values is None:
            return Row(line, {}, MALFORMED)
        return Row(line, {column: values[place] for place, column in self._places}) if any(values) else None

    def _values(self, text: str) -> list[str] | None:
        """Joins the next lines while a quotation mark is open. None: malformed."""
        following: list[str] = []
        while text.count('"') % 2 and len(following) < MOST_LINES_IN_A_ROW and len(text) <= LONGEST_LINE:
            next_line = self._lines.take()
            if next_line is None:
                break
            following.append(next_line)
            text = f"{text}\n{next_line}"
        values = self._fitted(_split(text, self._delimiter), exactly=bool(following))
        if values is None:
            self._lines.put_back(following)
        return values

    def _fitted(self, values: list[str] | None, *, exactly: bool) -> list[str] | None:
        """Pads or cuts empty cells at the end: spreadsheets leave them out, or add some."""
        width = len(self._headings)
        if values is None or any(values[width:]) or (exactly and len(values) != width):
            return None
        return values + [""] * (width - len(values))


class _Lines:
    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self.number = 0
        self._stream = stream
        self._encoding = encoding
        self._waiting: deque[str] = deque()
        stream.seek(0)

    def take(self) -> str | None:
        """The next line, cut when it is too long. None: end of file."""
        text = self._waiting.popleft() if self._waiting else self._read()
        self.number += text is not None
        return text

    def put_back(self, lines: list[str]) -> None:
        self._waiting.extendleft(reversed(lines))
        self.number -= len(lines)

    def _read(self) -> str | None:
        # A character takes four bytes at most, so a line that is cut here is still longer than LONGEST_LINE.
        line = self._stream.readline(4 * (LONGEST_LINE + 1))
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = self._stream.readline(BLOCK)
        if not line:
            return None
        return line.removesuffix(b"\n").removesuffix(b"\r").decode(self._encoding, errors="replace")


def survey_of(stream: BinaryIO) -> Survey:
    """Read the whole file once for its size, lines and encoding. Raises UnreadableFile."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = lines = 0
    is_utf_8, last_block = True, b""
    for block in _blocks(stream):
        if size == 0 and block.startswith(UTF_16_MARKS):
            raise UnreadableFile(
                _("Le fichier est en UTF-16. Enregistrez-le au format «\N{NO-BREAK SPACE}CSV UTF-8\N{NO-BREAK SPACE}».")
            )
        if size == 0 and block.startswith(WORKBOOK_MARKS):
            raise UnreadableFile(
                _(
                    "Le fichier est un classeur ou une archive. Enregistrez-le au format "
                    "«\N{NO-BREAK SPACE}CSV UTF-8\N{NO-BREAK SPACE}»."
                )
            )
        size += len(block)
        lines += block.count(b"\n")
        _refuse_too_large(size, lines)
        is_utf_8 = is_utf_8 and _decodes(decoder, block)
        last_block = block
    if size == 0:
        raise UnreadableFile(_("Le fichier est vide."))
    is_utf_8 = is_utf_8 and _decodes(decoder, b"", final=True)
    return Survey(lines if last_block.endswith(b"\n") else lines + 1, "utf-8" if is_utf_8 else _encoding_of(stream))


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    while block := stream.read(BLOCK):
        yield block


def _refuse_too_large(size: int, lines: int) -> None:
    if size > LARGEST_FILE:
        raise UnreadableFile(_("Le fichier dépasse 200\N{NO-BREAK SPACE}Mo. Coupez-le en plusieurs fichiers."))
    if lines > MOST_LINES:
        raise UnreadableFile(_("Le fichier dépasse 300\N{NO-BREAK SPACE}000 lignes. Coupez-le en plusieurs fichiers."))


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _encoding_of(stream: BinaryIO) -> str:
    """Of a file that is not valid UTF-8: UTF-8 with damaged lines, CP1252 (which uses bytes 80 to 9F) or Latin-9."""
    high = in_sequences = 0
    has_cp1252 = False
    for block in _blocks(stream):
        high += sum(map(len, HIGH_BYTES.findall(block)))
        in_sequences += sum(map(len, UTF_8_SEQUENCES.findall(block)))
        has_cp1252 = has_cp1252 or ONLY_IN_CP1252.search(block) is not None
    if 2 * in_sequences > high:
        return "utf-8"
    return "cp1252" if has_cp1252 else "iso8859-15"


def _header(first_line: str | None) -> tuple[str, list[str]]:
    text = (first_line or "").removeprefix(BOM)
    split = {delimiter: _headings(text, delimiter) for delimiter in DELIMITERS}
    delimiter = max(split, key=lambda delimiter: len(set(COLUMNS).intersection(split[delimiter])))
    headings = split[delimiter]
    _check_headings(headings)
    return delimiter, headings


def _headings(text: str, delimiter: str) -> list[str]:
    return [heading.strip().lower() for heading in _split(text, delimiter) or []]


def _check_headings(headings: list[str]) -> None:
    if not set(COLUMNS).intersection(headings):
        raise UnreadableFile(
            _("La première ligne doit nommer les colonnes\N{NO-BREAK SPACE}: %(columns)s")
            % {"columns": ";".join(COLUMNS)}
        )
    if any(map(_names_a_password, headings)):
        raise UnreadableFile(_("Une colonne porte le nom d’un mot de passe. Retirez-la du fichier."))
    missing = [name for name in required_columns() if name not in headings]
    repeated = [name for name in COLUMNS if headings.count(name) > 1]
    for columns, sentence in (
        (missing, _("Il manque des colonnes\N{NO-BREAK SPACE}: %(columns)s")),
        (repeated, _("Des colonnes sont en double\N{NO-BREAK SPACE}: %(columns)s")),
    ):
        if columns:
            raise UnreadableFile(sentence % {"columns": ", ".join(columns)})


def _names_a_password(heading: str) -> bool:
    plain = unicodedata.normalize("NFKD", heading[:200]).encode("ascii", "ignore").decode()
    letters = re.sub(r"[^a-z]", "", plain.lower())
    return any(word in letters for word in PASSWORD_WORDS)


def _split(text: str, delimiter: str) -> list[str] | None:
    # Most lines need no CSV reader.
    if '"' not in text and "\r" not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None
