"""References of requests: short enough for the telephone, random, and without any access."""

import secrets

#: Without 0, O, 1 and I, which look alike.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 5


def random_reference() -> str:
    """One of 33 million, such as `A-4R7K2`; it may be in use."""
    return "A-" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
