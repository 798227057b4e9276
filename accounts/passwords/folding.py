"""Variants of a password that attackers try: without accents, case, leetspeak or added digits."""

import re
import unicodedata
from collections.abc import Iterator

#: Some signs stand for two letters: hence two tables.
LEETSPEAK = {
    "@": "a", "4": "a", "8": "b", "(": "c", "3": "e", "€": "e", "6": "g", "9": "g", "1": "i", "!": "i", "|": "i",
    "0": "o", "$": "s", "5": "s", "7": "t", "+": "t", "2": "z",
}  # fmt: skip
LEETSPEAK_TABLES = (str.maketrans(LEETSPEAK), str.maketrans(LEETSPEAK | {"1": "l", "!": "l", "|": "l", "7": "l"}))

NOT_LETTERS = r"[\W\d_]+"
AROUND_LETTERS = re.compile(rf"^{NOT_LETTERS}|{NOT_LETTERS}$")
PUNCTUATION = re.compile(r"[\W_]+")
#: With more different digits and signs than these, a word is not refused.
MAX_ADDED_CHARACTERS = 6


def folded(text: str) -> str:
    """Lower case without accents; ligatures and full-width letters as plain ones."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()


def squeezed(text: str) -> str:
    """Letters and digits only."""
    return PUNCTUATION.sub("", text)


def readings(text: str) -> Iterator[str]:
    """A folded text, then the same without leetspeak."""
    yield text
    for table in LEETSPEAK_TABLES:
        yield text.translate(table)


def cores(password: str) -> Iterator[str]:
    """The words that a password may be built on: without repetition, added characters or leetspeak.

    >>> "montpellier" in set(cores("Montpellier34!"))
    True
    """
    text = shortest_period(folded(password))
    for trimmed in (text, AROUND_LETTERS.sub("", text)):
        for reading in readings(trimmed):
            for core in (squeezed(reading), re.sub(NOT_LETTERS, "", reading)):
                if len(set(text) - set(trimmed)) + len(set(reading) - set(core)) <= MAX_ADDED_CHARACTERS:
                    yield shortest_period(core)


def shortest_period(text: str) -> str:
    """The shortest prefix whose repetition starts with the text (Knuth, Morris and Pratt)."""
    borders = [0] * len(text)
    length = 0
    for position in range(1, len(text)):
        while length and text[position] != text[length]:
            length = borders[length - 1]
        length += text[position] == text[length]
        borders[position] = length
    return text[: len(text) - length]
