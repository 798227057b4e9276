from typing import Any

from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.generic import FormView

from accounts.forms import ConfirmedForm
from accounts.views.reauthentication import ConfirmedFormMixin
from privacy import export as personal_data


class DataView(ConfirmedFormMixin, FormView):
    """What the portal holds about the person, and a copy of it as a file (PRV-07): one click, after the password if it
    was not given lately, since a birth date or an INE number in the hands of a thief opens other doors.
    """

    http_method_names = ["get", "head", "post"]
    form_class = ConfirmedForm
    template_name = "accounts/data.html"
    open_without_charter = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The record that HR gave."""
        return super().get_context_data(**kwargs, account=self.account)

    def confirmed(self, form: ConfirmedForm) -> HttpResponse:
        """The file; that it was taken is in the journal."""
        copy = personal_data.export_person(account=self.account, actor=self.account)
        response = JsonResponse(copy, json_dumps_params={"ensure_ascii": False, "indent": 2})
        name = f"compte-informatique-{self.account.uid}-{timezone.localdate():%Y-%m-%d}.json"
        response["Content-Disposition"] = content_disposition_header(True, name)
        return response
