"""What an agent does about one account at one linked service."""

from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.functional import cached_property

from accounts.permissions import AgentPermission
from agents.accounts.action_views import AccountActionView
from agents.linked_services.forms import OpeningForm
from agents.linked_services.views import OneServiceMixin
from agents.second_factor.confirmation import ConfirmedByCodeMixin
from provisioning.decisions import HasChanged, confirm_opening, request_comparison, write_again
from provisioning.models import Replica

HAS_CHANGED = "L’état du compte dans ce service a changé\N{NO-BREAK SPACE}: rien n’a été demandé"


class WriteAgainView(OneServiceMixin, AccountActionView):
    permission_required = AgentPermission.WRITE_AGAIN
    http_method_names = ["post"]
    form_class = Form
    success_message = "L’écriture est demandée. Rechargez la page dans un instant."

    def form_valid(self, form: Form) -> HttpResponse:
        try:
            write_again(account=self.account, agent=self.agent, target_name=self.service)
        except HasChanged:
            messages.warning(self.request, f"{HAS_CHANGED}.")
            return redirect(self.get_success_url())
        return super().form_valid(form)


class CompareView(OneServiceMixin, AccountActionView):
    """Asks a worker: a page does not wait for a service."""

    permission_required = AgentPermission.WRITE_AGAIN
    http_method_names = ["post"]
    form_class = Form
    success_message = "La comparaison est demandée. Rechargez la page dans un instant."

    def form_valid(self, form: Form) -> HttpResponse:
        request_comparison(replica=get_object_or_404(Replica, account=self.account, target=self.service))
        return super().form_valid(form)


class OpeningView(OneServiceMixin, ConfirmedByCodeMixin, AccountActionView):
    permission_required = AgentPermission.CONFIRM_SERVICES
    form_class = OpeningForm
    template_name = "agents/account_service_opening.html"
    success_message = "L’ouverture est confirmée. Rechargez la page dans un instant."

    @cached_property
    def replica(self) -> Replica:
        return get_object_or_404(Replica, account=self.account, target=self.service)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.replica.is_suspended_elsewhere:
            return super().get(request, *args, **kwargs)
        messages.info(request, "Ce service ne suspend pas, ou plus, ce compte.")
        return redirect(self.get_success_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**{"replica": self.replica, **kwargs})

    def confirmed(self, form: OpeningForm) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        try:
            confirm_opening(account=self.account, agent=self.agent, target_name=self.service, reason=reason)
        except HasChanged:
            messages.warning(self.request, f"{HAS_CHANGED}.")
        else:
            messages.success(self.request, self.success_message)
        return redirect(self.get_success_url())
