from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from assistance.enums import Profile, Reason
from assistance.form_fields import AccountAddressField, BirthDateField, DescriptionField, IneField, PhoneField
from core.email_addresses import same_address
from core.forms.fields import ExternalAddressField, LineField

MAX_DESCRIPTION_LENGTH = 2_000
MAX_AVAILABILITY_LENGTH = 200

#: The field of the one fact that a profile is asked for.
FACT_FIELDS: dict[str | None, str] = {Profile.STUDENT: "ine", Profile.STAFF: "birth_date"}

SAME_ADDRESS = _("L’adresse personnelle doit être différente de l’adresse universitaire")
TOO_LONG = _("La description dépasse 2\N{NO-BREAK SPACE}000 caractères")


class AssistanceForm(forms.Form):
    """The public form. Only the fact of the profile is kept: the INE of students, the birth date of others.

    Nothing is compared with an account: the response must not reveal which accounts exist.
    """

    conditional_fields = ("ine", "birth_date")

    reason = forms.ChoiceField(
        label=_("Que se passe-t-il\N{NO-BREAK SPACE}?"),
        choices=Reason.choices,
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Choisissez ce qui se passe"),
            "invalid_choice": _("Choisissez ce qui se passe"),
        },
    )
    profile = forms.ChoiceField(
        label=_("Vous êtes"),
        choices=Profile.choices,
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Indiquez si vous êtes étudiant ou personnel"),
            "invalid_choice": _("Indiquez si vous êtes étudiant ou personnel"),
        },
    )
    ine = IneField(
        label=_("Numéro INE"),
        help_text=_("11 caractères, sur votre certificat de scolarité ou votre carte d’étudiant"),
        required=False,
        error_messages={"required": _("Saisissez votre numéro INE")},
    )
    birth_date = BirthDateField(label=_("Date de naissance"), help_text=_("Par exemple 27 3 1985"), required=False)
    login = AccountAddressField(
        label=_("Adresse universitaire du compte concerné"),
        help_text=_("Celle qui est bloquée ou à activer"),
        error_messages={
            "required": _("Saisissez l’adresse universitaire"),
            "incomplete": _("Complétez l’adresse, par exemple prenom.nom@%(domain)s"),
        },
    )
    contact_address = ExternalAddressField(
        label=_("Adresse e-mail personnelle"),
        help_text=_("Pour vous envoyer le suivi. Elle doit être différente de l’adresse universitaire."),
        error_messages={"university": SAME_ADDRESS},
    )
    phone = PhoneField(
        label=_("Numéro de téléphone"),
        help_text=_(
            "Un agent vous appellera à ce numéro. Avec l’indicatif si vous êtes à l’étranger, par exemple +34."
        ),
        error_messages={"required": _("Saisissez un numéro de téléphone")},
    )
    availability = LineField(
        label=_("Quand vous appeler\N{NO-BREAK SPACE}?"),
        help_text=_("Par exemple\N{NO-BREAK SPACE}: demain matin"),
        required=False,
        max_length=MAX_AVAILABILITY_LENGTH,
        error_messages={"max_length": _("Raccourcissez ce texte\N{NO-BREAK SPACE}: 200 caractères au plus")},
    )
    description = DescriptionField(
        label=_("Décrivez le problème"),
        help_text=_("Depuis quand\N{NO-BREAK SPACE}? Avez-vous cliqué sur un lien suspect\N{NO-BREAK SPACE}?"),
        max_length=MAX_DESCRIPTION_LENGTH,
        error_messages={
            "required": _("Décrivez le problème en quelques mots"),
            "max_length": _(
                "La description dépasse 2\N{NO-BREAK SPACE}000 caractères (vous en avez saisi %(show_value)d)"
            ),
            "too_long": TOO_LONG,
        },
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self._keep_one_fact(data)
        if same_address(data.get("contact_address", ""), data.get("login", "")):
            self.add_error("contact_address", ValidationError(SAME_ADDRESS, code="same"))
        return data

    def _keep_one_fact(self, data: dict[str, Any]) -> None:
        kept = FACT_FIELDS.get(data.get("profile"))
        for name, empty in (("ine", ""), ("birth_date", None)):
            if name != kept:
                self.errors.pop(name, None)
                data[name] = empty
            elif name in data and data[name] == empty:
                self.add_error(name, ValidationError(self.fields[name].error_messages["required"], code="required"))
