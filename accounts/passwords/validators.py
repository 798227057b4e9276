"""The checks of a new password, for AUTH_PASSWORD_VALIDATORS; in the order of the settings, each says why it refuses.

What is longer than the maximum is refused by LengthValidator alone: the others look at nothing that long.
"""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.passwords import rules
from accounts.passwords.common import is_common
from accounts.passwords.leaks import is_leaked
from accounts.passwords.normalisation import normalise_password
from accounts.passwords.patterns import follows_an_order, repeats_too_much
from accounts.passwords.personal import contains_personal_data
from accounts.passwords.strength import is_easily_guessed
from core.text import ErrorMessage

TOO_SHORT = _("Le mot de passe doit compter au moins %(minimum)d caractères (vous en avez %(count)d)")
PERSONAL = _("Le mot de passe ne doit pas contenir votre nom ou votre identifiant")
COMMON = _("Ce mot de passe est trop courant. Choisissez-en un autre")
REPETITIVE = _("Ce mot de passe répète trop les mêmes caractères")
IN_ORDER = _("Ce mot de passe suit l’ordre du clavier, de l’alphabet ou des chiffres. Choisissez-en un autre")
GUESSABLE = _("Ce mot de passe est trop facile à deviner. Ajoutez des mots sans lien entre eux")
LEAKED = _("Ce mot de passe figure dans une liste de mots de passe divulgués. Choisissez-en un autre")


class LengthValidator:
    """From 15 to 256 code points once in NFC, and no control characters (PWD-01, PWD-02)."""

    def validate(self, password: str, user: object = None) -> None:
        """Raise ValidationError for the wrong length, or a control character."""
        count = len(normalise_password(password))
        if count < rules.MINIMUM_LENGTH:
            params = {"minimum": rules.MINIMUM_LENGTH, "count": count}
            raise ValidationError(TOO_SHORT, code="password_too_short", params=params)

    def get_help_text(self) -> ErrorMessage:
        """The rule as the page shows it."""
        return rules.LENGTH.text


class NewPasswordValidator:
    """A check with one message; it keeps quiet where an earlier one has already said what is wrong."""

    message: ErrorMessage
    code: str
    help_text: ErrorMessage

    def validate(self, password: str, user: object = None) -> None:
        """Raise ValidationError when the password has the fault and no quicker check has refused it."""
        try:
            readable = normalise_password(password)
        except ValidationError:
            # LengthValidator tells it.
            return
        if not self._is_already_refused(readable, user) and self.find_fault(readable, user):
            raise ValidationError(self.message, code=self.code)

    def find_fault(self, password: str, user: object) -> bool:
        """Whether the password (in NFC) has the fault; `user` may be None, or lack some attributes."""
        raise NotImplementedError

    def _is_already_refused(self, password: str, user: object) -> bool:
        for check in QUICK_CHECKS:
            if check is type(self):
                return False
            if check().find_fault(password, user):
                return True
        return False

    def get_help_text(self) -> ErrorMessage:
        """The rule, for Django's own pages."""
        return self.help_text


class PersonalDataValidator(NewPasswordValidator):
    """Refuses the person's names, identifiers, addresses, birth date (PWD-03)."""

    message, code, help_text = PERSONAL, "password_personal", rules.PERSONAL.text

    def find_fault(self, password: str, user: object) -> bool:  # noqa: D102 -- see NewPasswordValidator
        return contains_personal_data(password, user)


class CommonPasswordValidator(NewPasswordValidator):
    """Refuses what is in the offline lists, however disguised (PWD-03)."""

    message, code, help_text = COMMON, "password_too_common", rules.COMMON.text

    def find_fault(self, password: str, user: object) -> bool:  # noqa: D102 -- see NewPasswordValidator
        return is_common(password)


class RepetitionValidator(NewPasswordValidator):
    """Refuses one character over and over."""

    message, code = REPETITIVE, "password_repetitive"
    help_text = _("Pas toujours les mêmes caractères")

    def find_fault(self, password: str, user: object) -> bool:  # noqa: D102 -- see NewPasswordValidator
        return repeats_too_much(password)


class OrderValidator(NewPasswordValidator):
    """Refuses walks along the keyboard, the alphabet, the figures."""

    message, code = IN_ORDER, "password_in_order"
    help_text = _("Pas une suite de touches du clavier, de lettres ou de chiffres")

    def find_fault(self, password: str, user: object) -> bool:  # noqa: D102 -- see NewPasswordValidator
        return follows_an_order(password)


class GuessableValidator(NewPasswordValidator):
    """Refuses what zxcvbn finds weak although nothing more precise can be said."""

    message, code = GUESSABLE, "password_guessable"
    help_text = _("Le plus simple à retenir\N{NO-BREAK SPACE}: une phrase de plusieurs mots sans lien entre eux")

    def find_fault(self, password: str, user: object) -> bool:  # noqa: D102 -- see NewPasswordValidator
        return len(password) >= rules.MINIMUM_LENGTH and is_easily_guessed(password, user)


class LeakedPasswordValidator(NewPasswordValidator):
    """Refuses what Have I Been Pwned knows, when the setting HIBP_ENABLED asks it."""

    message, code = LEAKED, "password_leaked"
    help_text = rules.COMMON.text

    def find_fault(self, password: str, user: object) -> bool:  # noqa: D102 -- see NewPasswordValidator
        return settings.HIBP_ENABLED and len(password) >= rules.MINIMUM_LENGTH and is_leaked(password)


QUICK_CHECKS: tuple[type[NewPasswordValidator], ...] = (
    PersonalDataValidator,
    CommonPasswordValidator,
    RepetitionValidator,
    OrderValidator,
)
