"""Readings of a password as somebody who guesses it tries them: without accents, case, leetspeak or added figures."""

import re
import unicodedata
from collections.abc import Iterator

#: Figures and signs written for a letter. Some stand for two letters: hence two ways to read.
LEETSPEAK = {
    "@": "a", "4": "a", "8": "b", "(": "c", "3": "e", "€": "e", "6": "g", "9": "g", "1": "i", "!": "i", "|": "i",
    "0": "o", "$": "s", "5": "s", "7": "t", "+": "t", "2": "z",
}  # fmt: skip
LEETSPEAK_TABLES = (str.maketrans(LEETSPEAK), str.maketrans(LEETSPEAK | {"1": "l", "!": "l", "|": "l", "7": "l"}))

NOT_LETTERS = r"[\W\d_]+"
AROUND_LETTERS = re.compile(rf"^{NOT_LETTERS}|{NOT_LETTERS}$")
PUNCTUATION = re.compile(r"[\W_]+")
#: How many different figures and signs may be added to a word before they count for something.
DECORATION = 6


def folded(text: str) -> str:
    """The text in small letters without accents; ligatures and full-width letters as plain ones."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()


def squeezed(text: str) -> str:
    """The letters and figures of a text, without what stands between them."""
    return PUNCTUATION.sub("", text)


def readings(text: str) -> Iterator[str]:
    """A folded text as it is, then with figures and signs read as the letters they resemble."""
    yield text
    for table in LEETSPEAK_TABLES:
        yield text.translate(table)


def cores(password: str) -> Iterator[str]:
    """What a password comes down to: repeated once, its decoration left out, letters for leetspeak.

    >>> "montpellier" in set(cores("Montpellier34!"))
    True
    """
    text = shortest_period(folded(password))
    for trimmed in (text, AROUND_LETTERS.sub("", text)):
        for reading in readings(trimmed):
            for core in (squeezed(reading), re.sub(NOT_LETTERS, "", reading)):
                if len(set(text) - set(trimmed)) + len(set(reading) - set(core)) <= DECORATION:
                    yield shortest_period(core)


def shortest_period(text: str) -> str:
    """The shortest beginning that gives the whole text, or a longer one, when it is repeated."""
    # Knuth, Morris and Pratt: the longest proper border of each beginning of the text.
    borders = [0] * len(text)
    length = 0
    for position in range(1, len(text)):
        while length and text[position] != text[length]:
            length = borders[length - 1]
        length += text[position] == text[length]
        borders[position] = length
    return text[: len(text) - length]
