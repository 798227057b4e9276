"""The rules as shown, shared by the pages, the script that ticks them and the validators."""

from typing import NamedTuple

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core.text import ErrorMessage

#: In code points of the NFC spelling.
MINIMUM_LENGTH = 15
MAXIMUM_LENGTH = 256

#: The `passwordrules` attribute, for password managers.
PASSWORDRULES = f"minlength: {MINIMUM_LENGTH}; allowed: unicode"


class Rule(NamedTuple):
    """One line of the list under the field; `key` identifies it for the script."""

    key: str
    text: ErrorMessage


LENGTH = Rule("length", format_lazy(_("{count} caractères au minimum"), count=MINIMUM_LENGTH))
PERSONAL = Rule("personal", _("Ni votre nom, ni votre prénom, ni votre identifiant"))
COMMON = Rule("common", _("Pas un mot de passe courant ou déjà divulgué (vérifié à l’envoi)"))

RULES = (LENGTH, PERSONAL, COMMON)
