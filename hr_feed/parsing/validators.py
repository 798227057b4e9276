"""What one cell of the HR file may hold, column by column."""

import re
from datetime import date
from typing import NoReturn

from django.conf import settings
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.enums import Category
from core.email_addresses import external_address, institutional_address_from_login, is_university_address
from core.phone_numbers import InvalidPhoneNumber, normalize_phone
from core.text import BLANKS, InvalidText, clean_line
from hr_feed.login_names import RESERVED_NAMES

LONGEST_NAME = 100
YOUNGEST, OLDEST = 14, 100
CATEGORIES = frozenset(Category.values)

HR_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
INE = re.compile(r"[0-9A-Z]{11}")
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
FRENCH_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
INSTITUTIONAL_LOCAL_PART = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
#: Characters allowed between the letters of a name, and combining accents.
IN_NAMES = dict.fromkeys([*map(ord, " -'.·\u2019\u02bc\u2010\u2011"), *range(0x300, 0x370)])

REQUIRED = _("Valeur obligatoire")
BAD_HR_ID = _("64 caractères au plus\N{NO-BREAK SPACE}: lettres, chiffres, point, tiret, barre oblique")
BAD_NAME = _("Un nom a des lettres, des espaces, des tirets et des apostrophes")
NAME_TOO_LONG = _("100 caractères au plus")
BAD_CATEGORY = _("Écrivez staff, hosted ou student")
BAD_DATE = _("Écrivez la date sous la forme AAAA-MM-JJ ou JJ/MM/AAAA")
BAD_AGE = _("La personne doit avoir de 14 à 100 ans")
BAD_LANGUAGE = _("Écrivez fr ou en")
BAD_INE = _("Un INE a 11 chiffres et lettres sans accent")
BAD_PHONE = _("Écrivez un numéro complet, par exemple 04 67 12 34 56 ou +33 6 12 34 56 78")
NOT_OURS = _("L’adresse institutionnelle doit être dans un domaine de l’université")
BAD_LOCAL_PART = _("Avant le signe @, l’adresse a des lettres sans accent, des chiffres, des points et des tirets")
RESERVED = _("Cette adresse est réservée au fonctionnement de la messagerie")


class InvalidCell(ValueError):
    """`reason` never quotes the cell: the report must hold no personal data."""

    def __init__(self, reason: str | Promise) -> None:
        super().__init__(reason)
        self.reason = reason


def hr_id(raw: str) -> str:
    return _matching(HR_ID, required(raw), BAD_HR_ID)


def name(raw: str) -> str:
    cleaned = line(raw)
    if not cleaned.translate(IN_NAMES).isalpha():
        _refuse(BAD_NAME)
    return cleaned


def line(raw: str) -> str:
    """One line of text, 100 characters at most."""
    try:
        cleaned = clean_line(required(raw))
    except InvalidText as refusal:
        raise InvalidCell(refusal.message) from refusal
    if len(cleaned) > LONGEST_NAME:
        _refuse(NAME_TOO_LONG)
    return cleaned


def category(raw: str) -> str:
    value = required(raw).lower()
    return value if value in CATEGORIES else _refuse(BAD_CATEGORY)


def birth_date(raw: str) -> date:
    born, today = day(required(raw)), timezone.localdate()
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return born if YOUNGEST <= age <= OLDEST else _refuse(BAD_AGE)


def start_date(raw: str) -> date:
    return day(required(raw))


def end_date(raw: str) -> date | None:
    stated = raw.strip(BLANKS)
    return day(stated) if stated else None


def day(text: str) -> date:
    """Accepts 1980-12-31 and 31/12/1980."""
    if match := FRENCH_DATE.fullmatch(text):
        number, month, year = match.groups()
        text = f"{year}-{month:0>2}-{number:0>2}"
    elif not ISO_DATE.fullmatch(text):
        _refuse(BAD_DATE)
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidCell(BAD_DATE) from error
    return found if found.year >= 1900 else _refuse(BAD_DATE)


def language(raw: str) -> str | None:
    stated = raw.strip(BLANKS).lower()
    if not stated:
        return None
    return stated if stated in dict(settings.LANGUAGES) else _refuse(BAD_LANGUAGE)


def institutional_address(raw: str) -> str:
    if not raw.strip(BLANKS):
        return ""
    address = institutional_address_from_login(raw)
    local_part = address.partition("@")[0]
    if not is_university_address(address):
        _refuse(NOT_OURS)
    if local_part in RESERVED_NAMES:
        _refuse(RESERVED)
    _matching(INSTITUTIONAL_LOCAL_PART, local_part, BAD_LOCAL_PART)
    return address


def ine(raw: str) -> str:
    stated = raw.strip(BLANKS).replace(" ", "").upper()
    return _matching(INE, stated, BAD_INE) if stated else ""


def phone(raw: str) -> str:
    """Returns E.164."""
    stated = raw.strip(BLANKS)
    try:
        return normalize_phone(stated) if stated else ""
    except InvalidPhoneNumber as refusal:
        raise InvalidCell(BAD_PHONE) from refusal


def recovery_address(raw: str) -> str:
    return external_address(required(raw))


def required(raw: str) -> str:
    return raw.strip(BLANKS) or _refuse(REQUIRED)


def _matching(pattern: re.Pattern[str], value: str, reason: Promise) -> str:
    return value if pattern.fullmatch(value) else _refuse(reason)


def _refuse(reason: Promise) -> NoReturn:
    raise InvalidCell(reason)
