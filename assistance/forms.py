"""The form of a request for assistance."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from assistance.enums import Profile, Reason
from assistance.form_fields import AccountAddressField, BirthDateField, IneField, PhoneField, DescriptionField
from core.email_addresses import InvalidAddress, same_address
from core.forms.fields import ExternalAddressField, LineField
from core.text import InvalidText

LONGEST_DESCRIPTION = 2_000
LONGEST_AVAILABILITY = 200

#: The one fact that a profile is asked for.
FACT_OF: dict[str | None, str] = {Profile.STUDENT: "ine", Profile.STAFF: "birth_date"}

DIFFERENT = _("L’adresse personnelle doit être différente de l’adresse universitaire")
TOO_LONG = _("La description dépasse 2\N{NO-BREAK SPACE}000 caractères")


class LockedAddressField(AccountAddressField):
    """The address of the account that the request is about."""

    def error(self, refusal: InvalidAddress | InvalidText, typed: str) -> ValidationError:
        """With an example of the university's own."""
        shown = super().error(refusal, typed)
        shown.params = {"domain": settings.UNIVERSITY_DOMAINS[0]}
        return shown


class AssistanceForm(forms.Form):
    """What is happening, to whom, and how to reach them.

    Students give their INE and others their birth date; the other one is dropped, whatever was sent (PRV-04). Nothing
    here is compared with an account: the same is answered to everybody (ENU-01).
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
    login = LockedAddressField(
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
        error_messages={"university": DIFFERENT},
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
        max_length=LONGEST_AVAILABILITY,
        error_messages={"max_length": _("Raccourcissez ce texte\N{NO-BREAK SPACE}: 200 caractères au plus")},
    )
    description = DescriptionField(
        label=_("Décrivez le problème"),
        help_text=_("Depuis quand\N{NO-BREAK SPACE}? Avez-vous cliqué sur un lien suspect\N{NO-BREAK SPACE}?"),
        max_length=LONGEST_DESCRIPTION,
        error_messages={
            "required": _("Décrivez le problème en quelques mots"),
            "max_length": _("La description dépasse 2\N{NO-BREAK SPACE}000 caractères (vous en avez %(show_value)d)"),
            "too_long": TOO_LONG,
        },
    )

    def clean(self) -> dict[str, Any]:
        """Ask for the one fact of the profile, and for an address that can still be read."""
        data = super().clean() or {}
        self._keep_one_fact(data)
        if same_address(data.get("contact_address", ""), data.get("login", "")):
            self.add_error("contact_address", ValidationError(DIFFERENT, code="same"))
        return data

    def _keep_one_fact(self, data: dict[str, Any]) -> None:
        wanted = FACT_OF.get(data.get("profile"))
        for name, nothing in (("ine", ""), ("birth_date", None)):
            if name != wanted:
                self.errors.pop(name, None)
                data[name] = nothing
            elif name in data and data[name] == nothing:
                self.add_error(name, ValidationError(self.fields[name].error_messages["required"], code="required"))
