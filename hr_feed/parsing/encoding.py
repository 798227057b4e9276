"""Size, lines and encoding of a file, read once as a whole."""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

LARGEST_FILE = 200_000_000
#: Three times the largest French university. RowChecker keeps some values of every line in memory.
MOST_LINES = 300_000
BLOCK = 1 << 20

UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Four letters of ASCII, as UTF-16 without a mark writes headings.
UTF_16_LETTERS = re.compile(rb"(?:[ -~]\x00){4}|(?:\x00[ -~]){4}")
#: ZIP (also XLSX and ODS), and XLS.
WORKBOOK_MARKS = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")
HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
UTF_8_SEQUENCES = re.compile(rb"(?:[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+")
ONLY_IN_CP1252 = re.compile(rb"[\x80-\x9f]")
#: Letters of MS-DOS and of old Macs: CP1252 has signs there that no word holds, or capitals behind a small letter.
OTHER_LETTERS = re.compile(rb"[A-Za-z](?:[\x81-\x84\x86-\x89\x8b\x8d\x8f\x90\x98\x9b\x9d])|[a-z][\x8a\x8c\x8e\x9f]")


class UnreadableFile(Exception):
    """No row can be read. The message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Survey:
    lines: int
    encoding: str
    #: Lines end with CR alone, as on old Macs.
    has_only_returns: bool
    #: The last line has no end: the file may be cut off there.
    has_open_end: bool


class ReturnsAsLineFeeds(io.RawIOBase):
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._stream.read(len(buffer)).replace(b"\r", b"\n")
        buffer[: len(content)] = content
        return len(content)


def survey_of(stream: BinaryIO) -> Survey:
    """Raises UnreadableFile."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = feeds = returns = 0
    is_utf_8, last_block = True, b""
    for block in _blocks(stream):
        if size == 0:
            _refuse_other_formats(block)
        size += len(block)
        feeds += block.count(b"\n")
        returns += block.count(b"\r")
        _refuse_too_large(size, feeds or returns)
        is_utf_8 = is_utf_8 and _decodes(decoder, block)
        last_block = block
    if size == 0:
        raise UnreadableFile(_("Le fichier est vide."))
    is_utf_8 = is_utf_8 and _decodes(decoder, b"", final=True)
    is_open = not last_block.endswith((b"\n", b"\r"))
    lines = (feeds or returns) + is_open
    return Survey(lines, "utf-8" if is_utf_8 else _encoding_of(stream), not feeds and returns > 0, is_open)


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    while block := stream.read(BLOCK):
        yield block


def _refuse_other_formats(start: bytes) -> None:
    if start.startswith(UTF_16_MARKS) or UTF_16_LETTERS.match(start):
        raise UnreadableFile(
            _("Le fichier est en UTF-16. Enregistrez-le au format «\N{NO-BREAK SPACE}CSV UTF-8\N{NO-BREAK SPACE}».")
        )
    if start.startswith(WORKBOOK_MARKS):
        raise UnreadableFile(
            _(
                "Le fichier est un classeur ou une archive. Enregistrez-le au format "
                "«\N{NO-BREAK SPACE}CSV UTF-8\N{NO-BREAK SPACE}»."
            )
        )


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
    high = in_sequences = others = lines = other_line = 0
    has_cp1252 = False
    for block in _blocks(stream):
        high += sum(map(len, HIGH_BYTES.findall(block)))
        in_sequences += sum(map(len, UTF_8_SEQUENCES.findall(block)))
        has_cp1252 = has_cp1252 or ONLY_IN_CP1252.search(block) is not None
        if not others and (found := OTHER_LETTERS.search(block)):
            other_line = lines + block.count(b"\n", 0, found.start()) + 1
        others += len(OTHER_LETTERS.findall(block))
        lines += block.count(b"\n")
    if 2 * in_sequences > high:
        return "utf-8"
    if 2 * others > high:
        raise UnreadableFile(
            _(
                "Les accents de la ligne %(line)s sont ceux d’un Mac ou de MS-DOS. Enregistrez le fichier au format "
                "«\N{NO-BREAK SPACE}CSV UTF-8\N{NO-BREAK SPACE}»."
            )
            % {"line": other_line}
        )
    return "cp1252" if has_cp1252 else "iso8859-15"
