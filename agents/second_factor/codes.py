"""The codes that agents type: TOTP tokens of six digits, enrolment and backup codes of sixteen characters."""

import re
import secrets

#: Without characters that look alike; a whole code has 79 bits.
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
LENGTH, GROUP = 16, 4
TOTP_TOKEN = re.compile(r"[0-9]{6}")
LONG_CODE = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}")
SEPARATORS = re.compile(r"[\s-]+")
#: Longer text is refused without being parsed.
MAX_TYPED_LENGTH = 64


def random_code() -> str:
    """A new code in groups of four, such as `k7fq-2m9x-w4tp-bh3z`."""
    characters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(characters[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def canonical_code(typed: str) -> str:
    """The code without spaces and hyphens, in lower case; empty when the text is no code."""
    code = SEPARATORS.sub("", typed[:MAX_TYPED_LENGTH]).lower()
    is_code = TOTP_TOKEN.fullmatch(code) or LONG_CODE.fullmatch(code)
    return code if is_code and len(typed) <= MAX_TYPED_LENGTH else ""


def is_totp_token(code: str) -> bool:
    return TOTP_TOKEN.fullmatch(code) is not None


def split_prefix(code: str) -> tuple[str, str]:
    """The prefix of a canonical backup code, by which its row is found, and its secret part (59 bits)."""
    return code[:GROUP], code[GROUP:]
