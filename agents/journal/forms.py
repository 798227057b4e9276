"""Filters of the journal. Their names are in URLs that agents keep: `?evenement=authn_login_lock&du=2026-11-15`."""

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from accounts.history import Topic
from accounts.models import Account
from accounts.passwords.folding import folded
from agents.journal.filters import TOPICS, Author, JournalQuery, agents_of_the_journal
from agents.journal.formatting import name_of
from core.forms.fields import LoginField
from journal.events import Event

EARLIEST, LATEST = date(2000, 1, 1), date(2099, 12, 31)


class DayField(forms.DateField):
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})

    def __init__(self, **kwargs: Any) -> None:
        limits = [MinValueValidator(EARLIEST, "Vérifiez l’année"), MaxValueValidator(LATEST, "Vérifiez l’année")]
        formats = ["%Y-%m-%d", "%d/%m/%Y"]
        super().__init__(**{"required": False, "validators": limits, "input_formats": formats, **kwargs})

    def bound_data(self, data: Any, initial: Any) -> date | None:
        """None for an invalid day, about which browsers complain in their console."""
        try:
            return self.to_python(data)
        except ValidationError:
            return None


class JournalForm(forms.Form):
    evenement = forms.ChoiceField(
        label="Évènement", required=False, error_messages={"invalid_choice": "Choisissez un évènement de la liste"}
    )
    par = forms.ChoiceField(
        label="Par", required=False, error_messages={"invalid_choice": "Choisissez un auteur de la liste"}
    )
    compte = LoginField(
        label="Identifiant",
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"null_characters_not_allowed": "Vérifiez l’identifiant"},
    )
    du = DayField(label="Du", error_messages={"invalid": "Écrivez la date du début, par exemple 21/11/2026"})
    au = DayField(label="Au", error_messages={"invalid": "Écrivez la date de la fin, par exemple 21/11/2026"})

    # Optional without a label that says so.
    conditional_fields = ("evenement", "par", "compte", "du", "au")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agents = {str(agent.pk): agent for agent in agents_of_the_journal()}
        # mypy knows a Field here; this one is a ChoiceField (attr-defined).
        self.fields["par"].choices = [  # type: ignore[attr-defined]
            *Author.choices,
            ("Agents", [(key, name_of(agent)) for key, agent in self.agents.items()]),
        ]
        # mypy knows a Field here; this one is a ChoiceField (attr-defined).
        self.fields["evenement"].choices = events()  # type: ignore[attr-defined]

    def clean_par(self) -> Author | Account:
        chosen: str = self.cleaned_data["par"]
        return self.agents.get(chosen) or Author(chosen)

    def clean_evenement(self) -> Topic | Event:
        chosen: str = self.cleaned_data["evenement"]
        return Topic(chosen) if chosen in Topic.values else Event(chosen)

    def clean_compte(self) -> Account | None:
        login: str = self.cleaned_data["compte"]
        if not login:
            return None
        account: Account | None = Account.objects.filter(institutional_address=login).first()
        if account is None:
            raise ValidationError("Aucun compte n’a cet identifiant", code="nobody")
        return account

    def clean(self) -> None:
        since, until = self.cleaned_data.get("du"), self.cleaned_data.get("au")
        if since and until and until < since:
            self.add_error("au", "La fin est avant le début")

    @property
    def query(self) -> JournalQuery:
        chosen = self.cleaned_data
        return JournalQuery(
            by=chosen["par"],
            about=chosen["evenement"],
            account=chosen["compte"],
            since=chosen["du"],
            until=chosen["au"],
        )


def events() -> list[Any]:
    each = sorted(((event.value, str(event.label)) for event in Event), key=lambda event: folded(event[1]))
    topics = [(topic.value, str(topic.label)) for topic in TOPICS if topic is not Topic.ALL]
    return [("", "Tous"), ("Par sujet", topics), ("Un seul évènement", each)]
