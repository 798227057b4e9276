"""Which characters users and the HR file may send.

A line (name, employer, reference) with an invisible or bidirectional control character is refused; from a paragraph,
which is often pasted, such characters are removed.
"""

import re
import unicodedata
from typing import TYPE_CHECKING, TypeAlias

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

ErrorMessage: TypeAlias = "str | _StrPromise"

#: Longest line and paragraph that are normalized: NFC takes quadratic time on hostile input.
LONGEST_LINE = 1_000
LONGEST_PARAGRAPH = 10_000

#: Spaces of keyboards and of word processors.
WIDE_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
#: Often pasted around a value.
BLANKS = " \t\r\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"

CONTROLS = r"\x00-\x1f\x7f-\x9f"
LINE_SEPARATORS = r"\u2028\u2029"
BIDI_CONTROLS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
#: With variation selectors, which can hide data and make equal-looking names differ.
ZERO_WIDTH = (
    r"\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
)
OTHER_FORMAT_MARKS = (
    r"\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\ufff9-\ufffb\U000110bd\U000110cd"
    r"\U00013430-\U00013438\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
UNREADABLE = r"\ufffd\ud800-\udfff"

FORBIDDEN = re.compile(f"[{CONTROLS}{LINE_SEPARATORS}{BIDI_CONTROLS}{ZERO_WIDTH}{OTHER_FORMAT_MARKS}{UNREADABLE}]")
FORBIDDEN_IN_PARAGRAPH = re.compile(rf"(?![\n\t]){FORBIDDEN.pattern}")
CONTROL = re.compile(f"[{CONTROLS}{UNREADABLE}]")
SPACE = re.compile(f"[ {WIDE_SPACES}]")
SPACES = re.compile(f"{SPACE.pattern}+")
#: Signs that keyboards and word processors give for the apostrophe and the hyphen of names.
APOSTROPHES, HYPHENS = "´`‘’‛ʼˈ′＇", "‐‑‒–—―−－﹣"
PUNCTUATION = str.maketrans(dict.fromkeys(APOSTROPHES, "'") | dict.fromkeys(HYPHENS, "-"))
LINE_BREAK = re.compile(r"\r\n?")


class InvalidText(ValueError):
    """A refused text; `message` tells the user what to do."""

    def __init__(self, message: ErrorMessage, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def has_forbidden_character(text: str) -> bool:
    """Control, invisible, bidirectional or undecodable characters."""
    return FORBIDDEN.search(text) is not None


def clean_line(value: str) -> str:
    """The line to store: trimmed, single spaces, Unicode NFC.

    Raises InvalidText for a forbidden character, or for more than 1,000 characters.
    """
    line = value.strip(BLANKS)
    if len(line) > LONGEST_LINE:
        raise InvalidText(_("Ce texte est trop long. Raccourcissez-le"), code="too_long")
    if has_forbidden_character(line):
        raise InvalidText(
            _("Ce texte contient un caractère invisible. Effacez-le et saisissez-le à nouveau au clavier"),
            code="forbidden_character",
        )
    return SPACES.sub(" ", unicodedata.normalize("NFC", line))


def fold_punctuation(name: str) -> str:
    """One apostrophe and one hyphen, whatever the keyboard."""
    return name.translate(PUNCTUATION)


def clean_paragraph(value: str) -> str:
    """The text to store: line breaks as a single line feed, no other control or invisible character, Unicode NFC.

    Raises InvalidText for more than 10,000 characters.
    """
    if len(value) > LONGEST_PARAGRAPH:
        raise InvalidText(_("Ce texte est trop long. Raccourcissez-le"), code="too_long")
    text = LINE_BREAK.sub("\n", value)
    return unicodedata.normalize("NFC", FORBIDDEN_IN_PARAGRAPH.sub("", text)).strip(BLANKS)
