"""Reads a CSV file line by line.

A malformed line loses only itself: an unclosed quotation mark must not swallow the rows after it.
"""

import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from hr_feed.columns import COLUMNS
from hr_feed.parsing.encoding import BLOCK, ReturnsAsLineFeeds, Survey, survey_of
from hr_feed.parsing.encoding import UnreadableFile as UnreadableFile
from hr_feed.parsing.headings import headings_of
from hr_feed.parsing.splitting import split

LONGEST_LINE = 20_000
MOST_LINES_IN_A_ROW = 20
#: Enough of a malformed line to know whose it is.
START_OF_LINE = 1_000

BOM = "\ufeff"
#: Excel's own first line.
STATED_DELIMITER = re.compile(r'"?sep=([;,\t|])"?[;,]*', re.IGNORECASE)

TOO_LONG = gettext_lazy("Cette ligne est trop longue")
MALFORMED = gettext_lazy("Cette ligne n’a pas les colonnes de la première, ou un guillemet n’y est pas fermé")
CUT_OFF = gettext_lazy(
    "Le fichier s’arrête au milieu de cette ligne\N{NO-BREAK SPACE}: exportez-le à nouveau en entier"
)


@dataclass(frozen=True, slots=True)
class Row:
    """The known columns of a row; with a `fault`, a line that could not be read, and whose `hr_id` is likely."""

    line: int
    cells: dict[str, str]
    fault: str | Promise = ""


class FeedFile:
    """Checks size, encoding and header; iterate over its rows, once. `stream` is seekable. Raises UnreadableFile."""

    def __init__(self, stream: BinaryIO) -> None:
        survey = survey_of(stream)
        self.lines = survey.lines
        self._has_open_end = survey.has_open_end
        self._lines = _Lines(stream, survey)
        first = (self._lines.take() or "").removeprefix(BOM)
        stated = STATED_DELIMITER.fullmatch(first)
        if stated:
            first = self._lines.take() or ""
        self.headings = headings_of(first, self._lines.number, stated[1] if stated else "")
        names = self.headings.names
        self.columns = frozenset(names).intersection(COLUMNS)
        self._width = len(names)
        self._places = [(names.index(column), column) for column in COLUMNS if column in self.columns]

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
            return self._unreadable(line, text, TOO_LONG)
        values = self._values(text)
        if values is None:
            return self._unreadable(line, text, MALFORMED)
        if not any(values):
            return None
        # Empty cells at the end are optional, but those of the last line may be what an accident cut off.
        if len(values) < self._width and self._has_open_end and self.lines_read == self.lines:
            return self._unreadable(line, text, CUT_OFF)
        values += [""] * (self._width - len(values))
        return Row(line, {column: values[place] for place, column in self._places})

    def _unreadable(self, line: int, text: str, fault: Promise) -> Row:
        cells = text[:START_OF_LINE].replace('"', "").split(self.headings.delimiter)
        place, column = self._places[0]
        return Row(line, {column: cells[place]} if place < len(cells) else {}, fault)

    def _values(self, text: str) -> list[str] | None:
        """Joins the next lines while a quotation mark is open. None: malformed."""
        following: list[str] = []
        while text.count('"') % 2 and len(following) < MOST_LINES_IN_A_ROW and len(text) <= LONGEST_LINE:
            next_line = self._lines.take()
            if next_line is None:
                break
            following.append(next_line)
            text = f"{text}\n{next_line}"
        values = split(text, self.headings.delimiter)
        if values is None or not self._fits(values, exactly=bool(following)):
            self._lines.put_back(following)
            return None
        return values

    def _fits(self, values: list[str], *, exactly: bool) -> bool:
        """Spreadsheets leave empty cells at the end out, or add some."""
        return not any(values[self._width :]) and not (exactly and len(values) != self._width)


class _Lines:
    def __init__(self, stream: BinaryIO, survey: Survey) -> None:
        self.number = 0
        stream.seek(0)
        self._stream: BinaryIO = io.BufferedReader(ReturnsAsLineFeeds(stream)) if survey.has_only_returns else stream
        self._encoding = survey.encoding
        self._waiting: deque[str] = deque()

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
