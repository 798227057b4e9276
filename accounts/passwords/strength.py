"""How many tries a password would take, by zxcvbn taught French."""

from functools import cache

from zxcvbn.matching import RANKED_DICTIONARIES, build_ranked_dict, omnimatch
from zxcvbn.scoring import most_guessable_match_sequence

from accounts.passwords.common import french_lists, university_words
from accounts.passwords.folding import folded
from accounts.passwords.personal import personal_compounds, personal_words

#: zxcvbn's third degree of four: out of reach of throttled tries, costly against a stolen Argon2 hash.
ENOUGH_GUESSES = 10**8
#: zxcvbn's time grows with the square of the length; it has nothing to say on longer ones.
LONGEST_ESTIMATED = 40
#: zxcvbn tries each combination of signs that resemble a letter: one sign for each letter keeps them few.
ONE_SIGN_EACH = str.maketrans("@{[<!|$+", "4(((1157")


def is_easily_guessed(password: str, user: object = None) -> bool:
    """Whether a password of at most 40 characters would fall in fewer than 100 million well-chosen tries."""
    if len(password) > LONGEST_ESTIMATED:
        return False
    return guesses(password, user) < ENOUGH_GUESSES


def guesses(password: str, user: object = None) -> int:
    """The number of tries zxcvbn expects, accents worth nothing and the person's own words tried first."""
    # One ligature can unfold to eighteen letters.
    text = _without_accents(password).translate(ONE_SIGN_EACH)[:LONGEST_ESTIMATED]
    own_words = sorted({*personal_words(user), *personal_compounds(user), *university_words()})
    dictionaries = RANKED_DICTIONARIES | _french_dictionaries() | {"user_inputs": build_ranked_dict(own_words)}
    return int(most_guessable_match_sequence(text, omnimatch(text, dictionaries))["guesses"])


def _without_accents(password: str) -> str:
    """The password, its case kept when folding leaves its length alone."""
    plain = folded(password)
    if len(plain) != len(password):
        return plain
    return "".join(letter.upper() if typed.isupper() else letter for typed, letter in zip(password, plain, strict=True))


@cache
def _french_dictionaries() -> dict[str, dict[str, int]]:
    return {f"french_{name}": build_ranked_dict(entries) for name, entries in french_lists().items()}
