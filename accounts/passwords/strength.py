"""Estimated number of guesses, by zxcvbn with French dictionaries."""

from functools import cache

from zxcvbn.matching import RANKED_DICTIONARIES, build_ranked_dict, omnimatch
from zxcvbn.scoring import most_guessable_match_sequence

from accounts.passwords.common import french_lists, university_words
from accounts.passwords.folding import folded
from accounts.passwords.personal import personal_compounds, personal_words

#: zxcvbn's score 3 of 4: out of reach of throttled guessing, costly against a stolen Argon2 hash.
ENOUGH_GUESSES = 10**8
#: zxcvbn's time is quadratic in the length.
MAX_ESTIMATED_LENGTH = 40
#: zxcvbn tries each combination of substitutions: one sign per letter keeps them few.
ONE_SIGN_EACH = str.maketrans("@{[<!|$+", "4(((1157")


def is_easily_guessed(password: str, user: object = None) -> bool:
    """False for more than 40 characters, which are not estimated."""
    if len(password) > MAX_ESTIMATED_LENGTH:
        return False
    return guesses(password, user) < ENOUGH_GUESSES


def guesses(password: str, user: object = None) -> int:
    """Accents count for nothing, and the account owner's own words are tried first."""
    # Folding one ligature may give eighteen letters.
    text = _without_accents(password).translate(ONE_SIGN_EACH)[:MAX_ESTIMATED_LENGTH]
    own_words = sorted({*personal_words(user), *personal_compounds(user), *university_words()})
    dictionaries = RANKED_DICTIONARIES | _french_dictionaries() | {"user_inputs": build_ranked_dict(own_words)}
    return int(most_guessable_match_sequence(text, omnimatch(text, dictionaries))["guesses"])


def _without_accents(password: str) -> str:
    """Case is kept when folding keeps the length."""
    plain = folded(password)
    if len(plain) != len(password):
        return plain
    return "".join(letter.upper() if typed.isupper() else letter for typed, letter in zip(password, plain, strict=True))


@cache
def _french_dictionaries() -> dict[str, dict[str, int]]:
    return {f"french_{name}": build_ranked_dict(entries) for name, entries in french_lists().items()}
