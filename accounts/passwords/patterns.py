"""Passwords that fingers make rather than people: one key held down, rows of a keyboard, alphabet, figures in order."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from accounts.passwords.folding import folded, squeezed

#: Rows of the keyboards sold in France and of the American one, keys above each other in the same column.
KEYBOARDS = (
    ("1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn"),
    ("&é\"'(-è_çà", "azertyuiop", "qsdfghjklm", "wxcvbn,;:!"),
    ("1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"),
)
#: Honest words hold many walks of three letters.
SHORTEST_WALK = 4
#: Share of the characters from which the pattern is the password.
MOST = 0.75
HALF = 0.5


def repeats_too_much(password: str) -> bool:
    """Whether more than half of the characters are the same one, or the same as the one before."""
    most_frequent = max(Counter(password).values(), default=0)
    doubled = sum(one == other for one, other in pairwise(password))
    return max(most_frequent, doubled) > HALF * len(password)


def follows_an_order(password: str) -> bool:
    """Whether most of a password walks along a keyboard, the alphabet or the figures, forwards or backwards."""
    texts = (password.casefold(), squeezed(folded(password)))
    return any(_length_in_walks(text) >= MOST * len(text) for text in texts if text)


def _length_in_walks(text: str) -> int:
    return sum(length for length in _walks(text) if length >= SHORTEST_WALK)


def _walks(text: str) -> Iterator[int]:
    """Lengths of the longest pieces in which each character is next to the one before."""
    length = 1
    for one, other in pairwise(text):
        if _are_neighbours(one, other):
            length += 1
        else:
            yield length
            length = 1
    yield length


def _are_neighbours(one: str, other: str) -> bool:
    return abs(ord(one) - ord(other)) <= 1 or (one, other) in NEIGHBOURING_KEYS


def _neighbouring_keys(rows: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    places = {key: (row, column) for row, keys in enumerate(rows) for column, key in enumerate(keys)}
    for one, (row, column) in places.items():
        for other, (other_row, other_column) in places.items():
            if abs(row - other_row) <= 1 and abs(column - other_column) <= 1:
                yield one, other


NEIGHBOURING_KEYS = frozenset(pair for rows in KEYBOARDS for pair in _neighbouring_keys(rows))
