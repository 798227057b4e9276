"""Passwords that many people choose: lists that need no network."""

from functools import cache
from pathlib import Path

from django.contrib.auth.password_validation import CommonPasswordValidator as DjangoCommonPasswordValidator

from accounts.passwords.folding import cores

FRENCH_LISTS = Path(__file__).resolve().parent.parent / "data" / "french"
SHORTEST_CORE = 4


def is_common(password: str) -> bool:
    """Whether a password is a common one, or a common one repeated, decorated or in leetspeak."""
    common = common_passwords()
    return any(len(core) >= SHORTEST_CORE and core in common for core in cores(password))


@cache
def common_passwords() -> frozenset[str]:
    """The English list that Django ships and the French ones of this project: small letters, no accents."""
    return frozenset(DjangoCommonPasswordValidator().passwords).union(*french_lists().values())


@cache
def french_lists() -> dict[str, list[str]]:
    """The French lists by name (passwords, words, first_names, places, culture), the most used first."""
    return {path.stem: _entries(path) for path in sorted(FRENCH_LISTS.glob("*.txt"))}


def _entries(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [entry for line in lines if not line.startswith("#") for entry in line.split()]
