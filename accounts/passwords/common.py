"""Common passwords: the lists of Django and of this project."""

from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator as DjangoCommonPasswordValidator

from accounts.passwords.folding import PUNCTUATION, cores, folded, squeezed

FRENCH_LISTS = Path(__file__).resolve().parent.parent / "data" / "french"
SHORTEST_CORE = 4


def is_common(password: str) -> bool:
    """Also repeated, in leetspeak, or with digits and signs added."""
    common, contextual = common_passwords(), university_words()
    return any(len(core) >= SHORTEST_CORE and (core in common or core in contextual) for core in cores(password))


def university_words() -> frozenset[str]:
    """The name and the domains of the university, whole and in words."""
    texts = [folded(text) for text in (settings.UNIVERSITY_NAME, *settings.UNIVERSITY_DOMAINS)]
    words = [word for text in texts for word in (squeezed(text), *PUNCTUATION.split(text))]
    return frozenset(word for word in words if len(word) >= SHORTEST_CORE)


@cache
def common_passwords() -> frozenset[str]:
    """In lower case, without accents."""
    return frozenset(DjangoCommonPasswordValidator().passwords).union(*french_lists().values())


@cache
def french_lists() -> dict[str, list[str]]:
    """By file name (passwords, words, first_names, places, culture), the most used first."""
    return {path.stem: _entries(path) for path in sorted(FRENCH_LISTS.glob("*.txt"))}


def _entries(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [entry for line in lines if not line.startswith("#") for entry in line.split()]
