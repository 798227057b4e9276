"""Phone numbers in the international form E.164."""

import re

FRANCE = "33"
#: Overseas departments are dialled with 0 too, but have country codes of their own.
OVERSEAS = {
    "262": ("0262", "0263", "0269", "0639", "0692", "0693"),
    "590": ("0590", "0690", "0691"),
    "594": ("0594", "0694"),
    "596": ("0596", "0696", "0697"),
}
COUNTRY_OF = {prefix: country for country, prefixes in OVERSEAS.items() for prefix in prefixes}

#: Blanks, full stops, slashes and all kinds of hyphens; the direction marks that address books put around numbers.
SEPARATORS = re.compile(r"[\s./\-\u2010-\u2015\u2212\u200e\u200f\u202a-\u202c\u2066-\u2069]+")
DOMESTIC = re.compile(r"0[1-79][0-9]{8}")
INTERNATIONAL = re.compile(r"\+[1-9][0-9]{7,14}")
FRENCH = re.compile(r"\+33[1-79][0-9]{8}")


class InvalidPhoneNumber(ValueError):
    pass


def normalize_phone(raw: str) -> str:
    """The number as `+33612345678`; French without a country code.

    Raises InvalidPhoneNumber for short, special-rate (08) or incomplete numbers and extensions.
    """
    number = compact_number(raw)
    if number.startswith("00"):
        number = f"+{number[2:]}"
    if DOMESTIC.fullmatch(number):
        return f"+{COUNTRY_OF.get(number[:4], FRANCE)}{number[1:]}"
    if not INTERNATIONAL.fullmatch(number) or (number.startswith("+33") and not FRENCH.fullmatch(number)):
        raise InvalidPhoneNumber
    return number


def compact_number(raw: str) -> str:
    """As typed, without what stands between the digits."""
    return SEPARATORS.sub("", raw).replace("(0)", "", 1)
