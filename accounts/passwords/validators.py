"""AUTH_PASSWORD_VALIDATORS. Only LengthValidator looks at a password that is too long."""

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

TOO_SHORT = _("Le mot de passe doit compter au moins %(minimum)d caractères (vous en avez saisi %(count)d)")
PERSONAL = _("Le mot de passe ne doit pas contenir votre nom ou votre identifiant")
COMMON = _("Ce mot de passe est trop courant. Choisissez-en un autre")
REPETITIVE = _("Ce mot de passe répète trop les mêmes caractères")
IN_ORDER = _("Ce mot de passe suit l’ordre du clavier, de l’alphabet ou des chiffres. Choisissez-en un autre")
GUESSABLE = _("Ce mot de passe est trop facile à deviner. Ajoutez des mots sans lien entre eux")
LEAKED = _("Ce mot de passe figure dans une liste de mots de passe divulgués. Choisissez-en un autre")


class LengthValidator:
    """15 (the minimum of NIST SP 800-63B-4) to 256 code points in NFC, without control characters."""

    def validate(self, password: str, user: object = None) -> None:
        count = len(normalise_password(password))
        if count < rules.MINIMUM_LENGTH:
            params = {"minimum": rules.MINIMUM_LENGTH, "count": count}
            raise ValidationError(TOO_SHORT, code="password_too_short", params=params)

    def get_help_text(self) -> ErrorMessage:
        return rules.LENGTH.text


class NewPasswordValidator:
    """A check with one message, skipped when an earlier one has already refused the password."""

    message: ErrorMessage
    code: str
    help_text: ErrorMessage

    def validate(self, password: str, user: object = None) -> None:
        try:
            normalised = normalise_password(password)
        except ValidationError:
            # LengthValidator raises it.
            return
        if not self._is_already_refused(normalised, user) and self.is_refused(normalised, user):
            raise ValidationError(self.message, code=self.code)

    def is_refused(self, password: str, user: object) -> bool:
        """`password` is in NFC; `user` may be None or lack attributes."""
        raise NotImplementedError

    def _is_already_refused(self, password: str, user: object) -> bool:
        for check in QUICK_CHECKS:
            if check is type(self):
                return False
            if check().is_refused(password, user):
                return True
        return False

    def get_help_text(self) -> ErrorMessage:
        return self.help_text


class PersonalDataValidator(NewPasswordValidator):
    message, code, help_text = PERSONAL, "password_personal", rules.PERSONAL.text

    def is_refused(self, password: str, user: object) -> bool:
        return contains_personal_data(password, user)


class CommonPasswordValidator(NewPasswordValidator):
    message, code, help_text = COMMON, "password_too_common", rules.COMMON.text

    def is_refused(self, password: str, user: object) -> bool:
        return is_common(password)


class RepetitionValidator(NewPasswordValidator):
    message, code = REPETITIVE, "password_repetitive"
    help_text = _("Pas toujours les mêmes caractères")

    def is_refused(self, password: str, user: object) -> bool:
        return repeats_too_much(password)


class OrderValidator(NewPasswordValidator):
    message, code = IN_ORDER, "password_in_order"
    help_text = _("Pas une suite de touches du clavier, de lettres ou de chiffres")

    def is_refused(self, password: str, user: object) -> bool:
        return follows_an_order(password)


class GuessableValidator(NewPasswordValidator):
    message, code = GUESSABLE, "password_guessable"
    help_text = _("Le plus simple à retenir\N{NO-BREAK SPACE}: une phrase de plusieurs mots sans lien entre eux")

    def is_refused(self, password: str, user: object) -> bool:
        return len(password) >= rules.MINIMUM_LENGTH and is_easily_guessed(password, user)


class LeakedPasswordValidator(NewPasswordValidator):
    message, code = LEAKED, "password_leaked"
    help_text = rules.COMMON.text

    def is_refused(self, password: str, user: object) -> bool:
        return settings.HIBP_ENABLED and len(password) >= rules.MINIMUM_LENGTH and is_leaked(password)


QUICK_CHECKS: tuple[type[NewPasswordValidator], ...] = (
    PersonalDataValidator,
    CommonPasswordValidator,
    RepetitionValidator,
    OrderValidator,
)
