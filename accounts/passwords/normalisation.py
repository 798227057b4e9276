import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.passwords.rules import MAXIMUM_LENGTH
from core.text import CONTROL

#: NFC composes at most four code points into one; a longer input is too long in any form.
MAX_INPUT_LENGTH = 4 * MAXIMUM_LENGTH

TOO_LONG = _("Le mot de passe dépasse %(maximum)d caractères")
CONTROL_CHARACTER = _("Le mot de passe contient un caractère que le clavier ne produit pas. Saisissez-le à nouveau")


def normalise_password(raw: str) -> str:
    """The password to hash or to check: in NFC, never stripped or cut.

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
    return password


def _too_long() -> ValidationError:
    return ValidationError(TOO_LONG, code="password_too_long", params={"maximum": MAXIMUM_LENGTH})
