"""An agent's own device: replaced, removed, and given new backup codes, each with a code of the present device."""

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
from agents.second_factor.views import CodeFormView, redirect_to_confirmation, render_backup_codes


class DeviceView(AgentView, TemplateView):
    permission_required = AgentPermission.SEE
    template_name = "agents/device.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        device = device_of(self.agent)
        codes_left = BackupCode.objects.unused().filter(device=device).count()
        return super().get_context_data(**kwargs, device=device, codes_left=codes_left)


class DeviceChangeView(AgentView, CodeFormView):
    """A change of the device, for an agent who has a code of the present one."""

    permission_required = AgentPermission.SEE
    http_method_names = ["get", "head", "post"]


class ReplacementView(DeviceChangeView):
    form_class = DeviceReplacementForm
    template_name = "agents/device_replacement.html"

    def form_valid(self, form: CodeForm) -> HttpResponse:
        return redirect_to_confirmation(self.request, form.result)


class BackupCodesView(DeviceChangeView):
    form_class = BackupCodesForm
    template_name = "agents/backup_codes_renewal.html"

    def form_valid(self, form: CodeForm) -> HttpResponse:
        return render_backup_codes(self, form.result)


class RemovalView(DeviceChangeView):
    form_class = RemovalForm
    template_name = "agents/device_removal.html"

    def form_valid(self, form: CodeForm) -> HttpResponse:
        messages.success(self.request, "Votre application d’authentification est retirée de l’espace agents.")
        return redirect("account")
