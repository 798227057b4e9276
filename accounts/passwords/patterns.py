"""Repeated characters, and sequences on the keyboard, in the alphabet or of digits."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from accounts.passwords.folding import folded, squeezed

#: French and American keyboards: digits or signs, and three rows of letters, aligned by column.
KEYBOARDS = (
    ("1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn"),
    ("&é\"'(-è_çà", "azertyuiop", "qsdfghjklm", "wxcvbn,;:!"),
    ("1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"),
)
#: Ordinary words hold many sequences of three letters.
MIN_SEQUENCE_LENGTH = 4
#: Shares of the characters from which a password is refused.
MAX_IN_SEQUENCES = 0.75
MAX_REPEATED = 0.5


def repeats_too_much(password: str) -> bool:
    """Whether more than half of the characters are the same one, or the same as the one before."""
    most_frequent = max(Counter(password).values(), default=0)
    doubled = sum(one == other for one, other in pairwise(password))
    return max(most_frequent, doubled) > MAX_REPEATED * len(password)


def follows_an_order(password: str) -> bool:
    """Whether most of a password is sequences, forwards or backwards."""
    texts = (password.casefold(), squeezed(folded(password)))
    return any(_length_in_sequences(text) >= MAX_IN_SEQUENCES * len(text) for text in texts if text)


def _length_in_sequences(text: str) -> int:
    return sum(length for length in _sequences(text) if length >= MIN_SEQUENCE_LENGTH)


def _sequences(text: str) -> Iterator[int]:
    """Lengths of the longest parts in which each character is next to the one before."""
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
