"""References of requests: short enough to be said on the telephone, random, and good for nothing else (HLP-08)."""

import secrets

#: Without 0 and O, 1 and I, which nobody tells apart.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 5


def random_reference() -> str:
    """One of 33 million, such as `A-4R7K2`; it may be taken already."""
    return "A-" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
