"""One spelling of a password, whatever the keyboard that typed it (PWD-04)."""

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.passwords.rules import MAXIMUM_LENGTH
from core.text import CONTROL

#: NFC makes one code point of at most four: what is longer than this is too long however it is spelt.
LONGEST_SPELLING = 4 * MAXIMUM_LENGTH

TOO_LONG = _("Le mot de passe dépasse %(maximum)d caractères")
CONTROL_CHARACTER = _("Le mot de passe contient un caractère que le clavier ne produit pas. Saisissez-le à nouveau")


def normalise_password(raw: str) -> str:
    """The password to hash or to check: NFC, spaces kept, never shortened.

    Call it wherever a password comes in, at sign-in too. Raises ValidationError for more than 256 characters (answered
    before any slow work, PWD-02) and for control characters, which no two systems treat alike.
    """
    if len(raw) > LONGEST_SPELLING:
        raise _too_long()
    password = unicodedata.normalize("NFC", raw)
    if len(password) > MAXIMUM_LENGTH:
        raise _too_long()
    if CONTROL.search(password):
        raise ValidationError(CONTROL_CHARACTER, code="password_control_character")
    return password


def _too_long() -> ValidationError:
    return ValidationError(TOO_LONG, code="password_too_long", params={"maximum": MAXIMUM_LENGTH})
