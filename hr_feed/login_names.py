"""Makes logins and short LDAP names from people's names.

A name is never given twice: accounts of people who left keep theirs, and homonyms get the next number.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache

from core.text import APOSTROPHES as APOSTROPHE_SIGNS

#: With the longest number behind it, an address stays below 64 characters before the @ sign.
LONGEST_LOGIN = 57
#: With the longest number behind it, 20 characters.
LONGEST_UID_BASE = 14

#: Letters that Unicode does not decompose.
LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "ŋ": "n"}
    | {"ŧ": "t"}
)
ACCENTS = re.compile("[\u0300-\u036f]+")
NOT_A_LETTER = re.compile("[^a-z]+")
#: Also of transliterations, which count as letters.
APOSTROPHES = str.maketrans("", "", f"'{APOSTROPHE_SIGNS}ʹʻʽʾʿˁ")

#: Names that the mail system (RFC 2142) and Unix systems use themselves.
RESERVED_NAMES = frozenset(
    [
        *("abuse", "adm", "admin", "administrateur", "administrator", "apache", "bin", "bounce", "bounces", "cron"),
        *("daemon", "dns", "dsin", "ftp", "games", "guest", "hostmaster", "info", "kmem", "ldap", "list", "listes"),
        *("localhost", "lp", "mail", "mailer-daemon", "man", "marketing", "mysql", "news", "no-reply", "nobody", "noc"),
        *("noreply", "ntp", "operator", "postgres", "postfix", "postmaster", "proxy", "redis", "root", "sales"),
        *("security", "shutdown", "sshd", "support", "sync", "sys", "systemd", "sysadmin", "test", "tty", "usenet"),
        *("uucp", "webmaster", "www", "www-data"),
    ]
)


class NoLogin(ValueError):
    """The names cannot be written in an address."""


class NotLatin(NoLogin):
    """A letter has no plain equivalent: without it, the login would be another name."""


class NameTooLong(NoLogin):
    pass


@dataclass(slots=True)
class NameRegistry:
    """Names in use. Those given here are added."""

    names: set[str]
    _next_number: dict[str, int] = field(default_factory=dict)

    def give(self, base: str) -> str:
        """`base`, or with the first free number from 2 on."""
        number = self._next_number.get(base, 1)
        candidate = numbered(base, number)
        while candidate in self.names or candidate in RESERVED_NAMES:
            number += 1
            candidate = numbered(base, number)
        self._next_number[base] = number + 1
        self.names.add(candidate)
        return candidate

    def take(self, name: str) -> None:
        self.names.add(name)


def numbered(base: str, number: int) -> str:
    return base if number == 1 else f"{base}{number}"


def login_base(given_name: str, family_name: str) -> str:
    """`camille.durand` for Camille Durand, `jean-pierre.de-la-tour`, `maeva.dangelo`; with every letter of the names.

    Raises NoLogin.
    """
    base = ".".join(filter(None, (hyphenated(given_name), hyphenated(family_name))))
    if not base:
        raise NotLatin
    if len(base) > LONGEST_LOGIN:
        raise NameTooLong
    return base


def uid_base(given_name: str, family_name: str, login: str) -> str:
    """`cdurand` for Camille Durand: letters only, from the login where the names cannot be written in it."""
    try:
        given, family = hyphenated(given_name).replace("-", ""), hyphenated(family_name).replace("-", "")
    except NotLatin:
        given, family = "", ""
    base = f"{given[:1]}{family}" if family else given
    return (base or NOT_A_LETTER.sub("", login.partition("@")[0]) or "u")[:LONGEST_UID_BASE]


@lru_cache(maxsize=10_000)
def hyphenated(name: str) -> str:
    """Plain lower-case letters without accents, a hyphen between words; apostrophes go. Raises NotLatin."""
    plain = folded(name)
    if any(sign.isalpha() and not "a" <= sign <= "z" for sign in plain):
        raise NotLatin
    return NOT_A_LETTER.sub("-", plain).strip("-")


def folded(name: str) -> str:
    """In lower case, without accents and apostrophes; letters of other scripts as they are."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(APOSTROPHES))
    return ACCENTS.sub("", plain).translate(LETTERS)
