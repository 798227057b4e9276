from django import forms

from agents.form_fields import ReasonField


class ExportForm(forms.Form):
    reason = ReasonField(
        label="Raison",
        help_text="Par exemple\N{NO-BREAK SPACE}: demande écrite du RSSI du 12 novembre. "
        "Elle est conservée dans le journal.",
    )
