"""Codes that people copy by hand: sixteen signs in groups of four, and the six digits of an application."""

import re
import secrets

#: Small letters and digits without those that look alike; 79 bits for a whole code.
SIGNS = "23456789abcdefghjkmnpqrstuvwxyz"
LENGTH, GROUP = 16, 4
OF_AN_APPLICATION = re.compile(r"[0-9]{6}")
OF_PAPER = re.compile(rf"[{SIGNS}]{{{LENGTH}}}")
SEPARATORS = re.compile(r"[\s-]+")
#: More is no code: nothing of it is looked at.
LONGEST_TYPED = 64


def random_code() -> str:
    """A new code, as it is shown: `k7fq-2m9x-w4tp-bh3z`."""
    signs = "".join(secrets.choice(SIGNS) for _ in range(LENGTH))
    return "-".join(signs[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def canonical_code(typed: str) -> str:
    """What was typed or pasted, without spaces and hyphens, in small letters; empty when it can be no code."""
    code = SEPARATORS.sub("", typed[:LONGEST_TYPED]).lower()
    is_code = OF_AN_APPLICATION.fullmatch(code) or OF_PAPER.fullmatch(code)
    return code if is_code and len(typed) <= LONGEST_TYPED else ""


def is_of_an_application(code: str) -> bool:
    """Whether a canonical code has the form of those that an application shows."""
    return OF_AN_APPLICATION.fullmatch(code) is not None


def split_label(code: str) -> tuple[str, str]:
    """The beginning of a canonical backup code, by which it is found, and its secret rest (59 bits)."""
    return code[:GROUP], code[GROUP:]
