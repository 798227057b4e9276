"""Forms with which agents are managed."""

from django import forms

from assistance.agents.forms.fields import ReasonField


class EnrolmentCodeForm(forms.Form):
    """Why somebody needs an enrolment code."""

    reason = ReasonField(
        label="Raison",
        help_text="Par exemple\N{NO-BREAK SPACE}: téléphone perdu, vu en personne. Elle reste au journal.",
    )
