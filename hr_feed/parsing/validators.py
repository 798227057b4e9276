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
from core.phone_numbers import InvalidPhoneNumber, compact_number, normalize_phone
from core.text import BLANKS, InvalidText, clean_line, fold_punctuation
from hr_feed.login_names import RESERVED_NAMES
from hr_feed.parsing.dates import day
from hr_feed.parsing.faults import InvalidCell

LONGEST_NAME = 100
YOUNGEST, OLDEST = 14, 100
CATEGORIES = frozenset(Category.values)

HR_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
INE = re.compile(r"[0-9A-Z]{11}")
INSTITUTIONAL_LOCAL_PART = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
#: Characters allowed between the letters of a name, and combining accents.
IN_NAMES = dict.fromkeys([*map(ord, " -'.·"), *range(0x300, 0x370)])
AROUND_HYPHENS = re.compile(r" *- *(?=[^ -])")
#: What HR systems that require two names put in place of the second one.
NO_NAME = frozenset("-.")
#: Numbers of a telephone behind a word, or with a word in brackets behind them.
WORDS_AROUND_NUMBER = re.compile(r"^(?:tel|tél|mob)\.?\s*:?|\([a-zà-ÿ ]+\)$", re.IGNORECASE)
#: A French number whose plus sign or first zero a spreadsheet ate, or that has both.
SHORT_OF_A_ZERO = re.compile(r"(?:\+?33)?0?([1-79][0-9]{8})")

REQUIRED = _("Valeur obligatoire")
BAD_HR_ID = _("64 caractères au plus\N{NO-BREAK SPACE}: lettres, chiffres, point, tiret, barre oblique")
BAD_NAME = _("Un nom a des lettres, des espaces, des tirets et des apostrophes")
NAME_TOO_LONG = _("100 caractères au plus")
BAD_CATEGORY = _("Écrivez staff, hosted ou student")
BAD_AGE = _("La personne doit avoir de 14 à 100 ans")
BAD_LANGUAGE = _("Écrivez fr ou en")
BAD_INE = _("Un INE a 11 chiffres et lettres sans accent")
BAD_PHONE = _("Écrivez un numéro complet, par exemple 04 67 12 34 56 ou +33 6 12 34 56 78")
NOT_OURS = _("L’adresse institutionnelle doit être dans un domaine de l’université")
BAD_LOCAL_PART = _("Avant le signe @, l’adresse a des lettres sans accent, des chiffres, des points et des tirets")
RESERVED = _("Cette adresse est réservée au fonctionnement de la messagerie")


def hr_id(raw: str) -> str:
    return _matching(HR_ID, required(raw), BAD_HR_ID)


def name(raw: str) -> str:
    """Empty for a person with the other name only."""
    stated = AROUND_HYPHENS.sub("-", fold_punctuation(raw.strip(BLANKS)))
    if not stated or stated in NO_NAME:
        return ""
    cleaned = line(stated)
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
    # The active zone is the same one, and slow to look up for each date.
    born, today = day(required(raw)), timezone.localdate(timezone=timezone.get_default_timezone())
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return born if YOUNGEST <= age <= OLDEST else _refuse(BAD_AGE)


def start_date(raw: str) -> date:
    return day(required(raw))


def end_date(raw: str) -> date | None:
    stated = raw.strip(BLANKS)
    return day(stated) if stated else None


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
    stated = WORDS_AROUND_NUMBER.sub("", raw.lstrip(BLANKS + "'").rstrip(BLANKS))
    try:
        return _normalized(stated) if stated else ""
    except InvalidPhoneNumber as refusal:
        raise InvalidCell(BAD_PHONE) from refusal


def _normalized(number: str) -> str:
    try:
        return normalize_phone(number)
    except InvalidPhoneNumber:
        match = SHORT_OF_A_ZERO.fullmatch(compact_number(number))
        if match is None:
            raise
        return normalize_phone(f"0{match[1]}")


def recovery_address(raw: str) -> str:
    """Without the dot that ends a complete domain name."""
    return external_address(required(raw).removesuffix("."))


def required(raw: str) -> str:
    return raw.strip(BLANKS) or _refuse(REQUIRED)


def _matching(pattern: re.Pattern[str], value: str, reason: Promise) -> str:
    return value if pattern.fullmatch(value) else _refuse(reason)


def _refuse(reason: Promise) -> NoReturn:
    raise InvalidCell(reason)
