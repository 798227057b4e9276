import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.passwords.rules import MAXIMUM_LENGTH
from core.text import CONTROL, SPACE

#: NFC composes at most four code points into one; a longer input is too long in any form.
MAX_INPUT_LENGTH = 4 * MAXIMUM_LENGTH

TOO_LONG = _("Le mot de passe dépasse %(maximum)d caractères")
CONTROL_CHARACTER = _("Le mot de passe contient un caractère non autorisé. Saisissez-le à nouveau")


def normalise_password(raw: str) -> str:
    """The password to hash or to check: in NFC, never stripped or cut, each space the one of any keyboard: French ones
    give a no-break space behind some signs, and telephones narrow ones.

    Raises ValidationError for more than 256 characters, before any slow work, and for control characters, which
    keyboards do not produce.
    """
    if len(raw) > MAX_INPUT_LENGTH:
        raise _too_long()
    password = unicodedata.normalize("NFC", raw)
    if len(password) > MAXIMUM_LENGTH:
        raise _too_long()
    if CONTROL.search(password):
        raise ValidationError(CONTROL_CHARACTER, code="password_control_character")
    return SPACE.sub(" ", password)


def spellings_of(typed: str) -> set[str]:
    """The passwords to check: the normalised one, and the one as typed, as they were hashed before spaces were alike.

    Raises what `normalise_password` raises.
    """
    return {normalise_password(typed), unicodedata.normalize("NFC", typed)}


def _too_long() -> ValidationError:
    return ValidationError(TOO_LONG, code="password_too_long", params={"maximum": MAXIMUM_LENGTH})
