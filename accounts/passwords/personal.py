"""Passwords that contain names, identifiers, addresses or the birth date of the account owner."""

from collections.abc import Iterator
from datetime import date

from accounts.passwords.folding import PUNCTUATION, folded, readings, squeezed

#: Shorter fragments occur by chance.
SHORTEST_FRAGMENT = 4
MONTHS = (
    "janvier", "fevrier", "mars", "avril", "mai", "juin",
    "juillet", "aout", "septembre", "octobre", "novembre", "decembre",
)  # fmt: skip


def contains_personal_data(password: str, user: object) -> bool:
    """`user` is an account or an object with some of its attributes; missing or empty ones are ignored."""
    words, compounds = personal_words(user), personal_compounds(user)
    return any(
        any(word in reading for word in words) or any(compound in squeezed(reading) for compound in compounds)
        for reading in readings(folded(password))
    )


def personal_words(user: object) -> frozenset[str]:
    """Folded words of the names and addresses, searched as they are."""
    texts = (*_names(user), *(address.partition("@")[0] for address in _addresses(user)))
    return _long_enough(word for text in texts for word in PUNCTUATION.split(text))


def personal_compounds(user: object) -> frozenset[str]:
    """Folded names, identifiers, addresses and dates, searched without the punctuation of the password."""
    given_name, family_name = (squeezed(name) for name in _names(user))
    compounds = [given_name, family_name, given_name + family_name, family_name + given_name]
    compounds += [squeezed(_text(user, identifier)) for identifier in ("uid", "ine")]
    for address in _addresses(user):
        compounds += [squeezed(address), squeezed(address.partition("@")[0])]
    compounds += _date_formats(getattr(user, "birth_date", None))
    # Not single words: without spaces, "martin" is in "smart indigo".
    return _long_enough(compounds) - personal_words(user)


def _names(user: object) -> tuple[str, str]:
    return _text(user, "given_name"), _text(user, "family_name")


def _addresses(user: object) -> tuple[str, str]:
    return _text(user, "institutional_address"), _text(user, "recovery_address")


def _text(user: object, attribute: str) -> str:
    return folded(str(getattr(user, attribute, None) or ""))


def _date_formats(day: date | None) -> list[str]:
    if day is None:
        return []
    orders = (
        "{d:02}{m:02}{y}",
        "{y}{m:02}{d:02}",
        "{d}{m}{y}",
        "{d:02}{m:02}{yy:02}",
        "{yy:02}{m:02}{d:02}",
        "{d}{name}{y}",
    )
    values = {"d": day.day, "m": day.month, "y": day.year, "yy": day.year % 100, "name": MONTHS[day.month - 1]}
    return [order.format_map(values) for order in orders]


def _long_enough(fragments: Iterator[str] | list[str]) -> frozenset[str]:
    return frozenset(fragment for fragment in fragments if len(fragment) >= SHORTEST_FRAGMENT)
