from typing import Any

from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.generic import FormView

from accounts.forms import ConfirmedForm
from accounts.views.reauthentication import ConfirmedFormMixin
from privacy.export import export_person


class DataView(ConfirmedFormMixin, FormView):
    """Shows the data of the account; a POST exports them, after a recent password."""

    http_method_names = ["get", "head", "post"]
    form_class = ConfirmedForm
    template_name = "accounts/data.html"
    open_without_charter = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, account=self.account)

    def confirmed(self, form: ConfirmedForm) -> HttpResponse:
        copy = export_person(account=self.account, actor=self.account)
        response = JsonResponse(copy, json_dumps_params={"ensure_ascii": False, "indent": 2})
        name = f"compte-informatique-{self.account.uid}-{timezone.localdate():%Y-%m-%d}.json"
        response["Content-Disposition"] = content_disposition_header(True, name)
        return response
