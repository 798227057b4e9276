"""E-mail addresses in one canonical spelling, used wherever addresses are stored or compared.

Stricter than RFC 5321 on purpose: what is refused is either a mistake or an attack on a mail server.
"""

import re
from functools import lru_cache

import idna
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core.csv import escape_formula
from core.email_typos import intended_domain
from core.text import BLANKS, ErrorMessage, has_forbidden_character

LONGEST_ADDRESS = 254
LONGEST_LOCAL_PART = 64

LOCAL_PART = re.compile(r"[A-Za-z0-9_+'&=~-]+(\.[A-Za-z0-9_+'&=~-]+)*")
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = re.compile(rf"({LABEL}\.)+{LABEL}")
#: Full stops of other scripts, which IDNA reads as a dot.
IDEOGRAPHIC_STOPS = str.maketrans("\u3002\uff0e\uff61", "...")
#: Top-level names of internal networks.
TECHNICAL_DOMAINS = frozenset({"arpa", "internal", "lan", "local", "localdomain", "localhost"})
SEPARATORS = frozenset(',;<> "()[]:')


class InvalidAddress(ValueError):
    """A refused address; `message` tells the user what to do."""

    def __init__(self, message: ErrorMessage, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


MISSING = _("Saisissez une adresse e-mail, par exemple nom@exemple.net")
INCOMPLETE = _("Complétez l’adresse e-mail, par exemple nom@exemple.net")
TOO_LONG = _("L’adresse dépasse 254 caractères")
LOCAL_PART_TOO_LONG = _("L’adresse a plus de 64 caractères avant le signe @. Vérifiez-la")
SEVERAL = _("Saisissez une seule adresse e-mail, sans nom ni espace, par exemple nom@exemple.net")
FORBIDDEN_CHARACTER = _("L’adresse contient un caractère invisible. Effacez-la et saisissez-la à nouveau au clavier")
UNUSUAL_CHARACTER = _("L’adresse contient un caractère que nous n’acceptons pas avant le signe @. Vérifiez-la")
UNKNOWN_DOMAIN = _(
    "Vérifiez ce qui suit le signe @\N{NO-BREAK SPACE}: il faut un nom de domaine, par exemple exemple.net"
)
UNIVERSITY = _("L’adresse doit être une adresse extérieure à l’université")


def canonical_address(raw: str) -> str:
    """The address, trimmed, with its domain in lower-case punycode and its local part as typed.

    ASCII, at most 254 characters, safe in a mail header. Raises InvalidAddress and nothing else.
    """
    address = raw.strip(BLANKS)
    _refuse_unreadable(address)
    local_part, at_sign, domain = address.partition("@")
    if not local_part or not at_sign or not domain:
        raise InvalidAddress(INCOMPLETE, code="incomplete")
    canonical = f"{_checked_local_part(local_part)}@{_canonical_domain(domain)}"
    if len(canonical) > LONGEST_ADDRESS:
        raise InvalidAddress(TOO_LONG, code="too_long")
    return canonical


def external_address(raw: str) -> str:
    """The canonical spelling of an address outside the university. Raises InvalidAddress."""
    address = canonical_address(raw)
    if is_university_address(address):
        raise InvalidAddress(UNIVERSITY, code="university")
    return address


def institutional_address_from_login(typed: str) -> str:
    """The institutional address of a typed login: any case, with or without the university's domain.

    Raises InvalidAddress. The address may not exist, or may not be the university's.
    """
    login = typed.strip(BLANKS)
    if login and "@" not in login:
        login = f"{login}@{settings.UNIVERSITY_DOMAINS[0]}"
    return canonical_address(login).lower()


def address_key(address: str) -> str:
    """The key under which mails to one mailbox are counted, whatever its case.

    Not for comparing: the local part of an external address may be case-sensitive (`same_address`).
    """
    return canonical_address(address).lower()


def mailbox_key(address: str) -> str:
    """The address key without what follows a +: to many providers, all such addresses are one mailbox."""
    local_part, _at_sign, domain = address_key(address).partition("@")
    return f"{local_part.partition('+')[0] or local_part}@{domain}"


def same_address(one: str, other: str) -> bool:
    """Whether the canonical spellings are equal; local parts are case-sensitive."""
    try:
        return canonical_address(one) == canonical_address(other)
    except InvalidAddress:
        return False


def is_university_address(address: str) -> bool:
    """Whether an address is in a domain of the university or a subdomain. False for an invalid address."""
    try:
        domain = canonical_address(address).partition("@")[2]
    except InvalidAddress:
        return False
    return any(domain == own or domain.endswith(f".{own}") for own in _university_domains())


def suggested_correction(address: str) -> str | None:
    """The probable address when the domain looks like a typing error in a well-known one; else None.

    `address` may be invalid. Suggest the result, never apply it.
    """
    local_part, _at_sign, domain = address.strip(BLANKS)[: LONGEST_ADDRESS + 1].partition("@")
    intended = intended_domain(domain.lower()) if domain else None
    try:
        return canonical_address(f"{local_part}@{intended}") if intended else None
    except InvalidAddress:
        return None


def _refuse_unreadable(address: str) -> None:
    if not address:
        raise InvalidAddress(MISSING, code="missing")
    if len(address) > LONGEST_ADDRESS:
        raise InvalidAddress(TOO_LONG, code="too_long")
    if has_forbidden_character(address):
        raise InvalidAddress(FORBIDDEN_CHARACTER, code="forbidden_character")
    if address.count("@") > 1 or not SEPARATORS.isdisjoint(address):
        raise InvalidAddress(SEVERAL, code="several")


def _checked_local_part(local_part: str) -> str:
    if len(local_part) > LONGEST_LOCAL_PART:
        raise InvalidAddress(LOCAL_PART_TOO_LONG, code="local_part_too_long")
    # sendmail could read a leading hyphen as an option, and a spreadsheet some first characters as a formula.
    if not LOCAL_PART.fullmatch(local_part) or escape_formula(local_part) != local_part:
        raise InvalidAddress(UNUSUAL_CHARACTER, code="unusual_character")
    return local_part


# A file of 50,000 rows has a few hundred domains, and IDNA is the slowest check.
@lru_cache(maxsize=1024)
def _canonical_domain(domain: str) -> str:
    labels = [_canonical_label(label) for label in domain.translate(IDEOGRAPHIC_STOPS).split(".")]
    if labels[-1] in TECHNICAL_DOMAINS or labels[-1].isdigit():
        raise InvalidAddress(UNKNOWN_DOMAIN, code="unknown_domain")
    if len(labels) == 1 or len(labels[-1]) == 1:
        raise InvalidAddress(INCOMPLETE, code="incomplete")
    canonical = ".".join(labels)
    if not DOMAIN.fullmatch(canonical):
        raise InvalidAddress(UNKNOWN_DOMAIN, code="unknown_domain")
    return canonical


def _canonical_label(label: str) -> str:
    try:
        canonical = idna.encode(label, uts46=True, std3_rules=True).decode("ascii")
    except UnicodeError as error:
        raise InvalidAddress(UNKNOWN_DOMAIN, code="unknown_domain") from error
    # Characters that IDNA maps to ASCII letters (full width, Kelvin sign) imitate a domain.
    if not label.isascii() and not canonical.startswith("xn--"):
        raise InvalidAddress(UNKNOWN_DOMAIN, code="unknown_domain")
    return canonical


def _university_domains() -> list[str]:
    return [_canonical_domain(domain) for domain in settings.UNIVERSITY_DOMAINS]
