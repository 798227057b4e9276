"""Why a cell is refused, and what accidents leave in cells of any column."""

import re

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.text import BLANKS

#: Invisible, and pasted around a value by address books, browsers and word processors.
AROUND_CELLS = BLANKS + "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069"
#: What Excel writes where a formula failed, in French and in English.
FORMULA_ERROR = re.compile(r"#(?:REF|N/A|NOM|NAME|VALEUR|VALUE|DIV/0|NULL|NUL|NOMBRE|NUM)[!?]?|#{3,}", re.IGNORECASE)
#: What follows the first byte of UTF-8, as CP1252 and Latin-1 read it.
NEXT_BYTES = "\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
#: European letters and signs in UTF-8 that were read as CP1252 or Latin-1, and saved once more.
TWICE_ENCODED = re.compile(rf"[ÂÃÄÅ][{NEXT_BYTES}]|[áâ][{NEXT_BYTES}]{{2}}|(?<=[a-z])Ã(?:\s|$)")

FORMULA_FAILED = _("Excel n’a pas pu calculer cette case\N{NO-BREAK SPACE}: corrigez-la dans le fichier d’origine")
UNREADABLE = _("Des lettres sont perdues dans cette case\N{NO-BREAK SPACE}: exportez à nouveau le fichier en UTF-8")
BADLY_ENCODED = _(
    "Les accents de cette case sont faux, comme «\N{NO-BREAK SPACE}Ã©\N{NO-BREAK SPACE}» pour "
    "«\N{NO-BREAK SPACE}é\N{NO-BREAK SPACE}»\N{NO-BREAK SPACE}: exportez à nouveau le fichier en UTF-8"
)


class InvalidCell(ValueError):
    """`reason` never quotes the cell: the report must hold no personal data."""

    def __init__(self, reason: str | Promise) -> None:
        super().__init__(reason)
        self.reason = reason


def refuse_accidents(cell: str) -> None:
    """Raises InvalidCell."""
    if FORMULA_ERROR.fullmatch(cell):
        raise InvalidCell(FORMULA_FAILED)
    if "\ufffd" in cell:
        raise InvalidCell(UNREADABLE)
    if TWICE_ENCODED.search(cell):
        raise InvalidCell(BADLY_ENCODED)
