"""An agent's own second factor: replaced, renewed and removed with a code of the present one (ADM-03)."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.generic import TemplateView

from accounts.permissions import AgentPermission
from agents.access import AgentView
from agents.models import BackupCode
from agents.second_factor.forms import BackupCodesForm, CodeForm, DeviceReplacementForm, RemovalForm
from agents.second_factor.services import device_of
from agents.second_factor.views import CodeFormView, backup_codes_page, begin


class DeviceView(AgentView, TemplateView):
    """Since when there is an application, and how many backup codes are left."""

    permission_required = AgentPermission.SEE
    template_name = "agents/device.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The application and its codes."""
        device = device_of(self.agent)
        left = BackupCode.objects.unused().filter(device=device).count()
        return super().get_context_data(**kwargs, device=device, codes_left=left)


class ReplacementView(AgentView, CodeFormView):
    """Another telephone."""

    permission_required = AgentPermission.SEE
    http_method_names = ["get", "head", "post"]
    form_class = DeviceReplacementForm
    template_name = "agents/device_replacement.html"

    def form_valid(self, form: CodeForm) -> HttpResponse:
        """Go on to the QR code; the present application works until the new one does."""
        return begin(self.request, form.granted)


class BackupCodesView(AgentView, CodeFormView):
    """Ten new backup codes."""

    permission_required = AgentPermission.SEE
    http_method_names = ["get", "head", "post"]
    form_class = BackupCodesForm
    template_name = "agents/backup_codes_renewal.html"

    def form_valid(self, form: CodeForm) -> HttpResponse:
        """Show them, once."""
        return backup_codes_page(self, form.granted)


class RemovalView(AgentView, CodeFormView):
    """No application any more: the next one needs an enrolment code."""

    permission_required = AgentPermission.SEE
    http_method_names = ["get", "head", "post"]
    form_class = RemovalForm
    template_name = "agents/device_removal.html"

    def form_valid(self, form: CodeForm) -> HttpResponse:
        """Out of the area, and still signed in to the portal."""
        messages.success(self.request, "Votre application de vérification est retirée de l’espace agents.")
        return redirect("account")
