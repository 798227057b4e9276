"""The columns of the HR feed (design §8), and what its first line may not hold."""

import re
import unicodedata
from collections.abc import Sequence

REQUIRED_COLUMNS = (
    "hr_id",
    "family_name",
    "given_name",
    "birth_date",
    "category",
    "employer",
    "recovery_address",
    "start_date",
)
OPTIONAL_COLUMNS = ("end_date", "language", "institutional_address", "ine", "phone")
COLUMNS = REQUIRED_COLUMNS + OPTIONAL_COLUMNS

PASSWORD_WORDS = ("password", "passwd", "passphrase", "motdepasse", "motpasse", "mdp", "pwd")


def column_name(heading: str) -> str:
    """The name that a heading stands for: spaces around it and capitals do not count."""
    return heading.strip().lower()


def missing_columns(names: Sequence[str]) -> list[str]:
    """Required columns that the file does not have."""
    return [column for column in REQUIRED_COLUMNS if column not in names]


def repeated_columns(names: Sequence[str]) -> list[str]:
    """Known columns that stand there twice: nobody could say which one counts."""
    return [column for column in COLUMNS if names.count(column) > 1]


def names_a_password(name: str) -> bool:
    """Whether a column is called like a password, however it is spelt (PWD-07)."""
    plain = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode()
    letters = re.sub(r"[^a-z]", "", plain.lower())
    return any(word in letters for word in PASSWORD_WORDS)
