"""The linked services, the accounts at one of them, and the closings that it holds back."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.generic import FormView, TemplateView

from accounts.permissions import AgentPermission
from agents.access import AgentView
from agents.accounts.search import LAST_PAGE, PAGE_SIZE
from agents.accounts.views import page_number
from agents.linked_services.forms import ClosingsForm
from agents.linked_services.lists import ReplicaList, overviews
from agents.second_factor.confirmation import ConfirmedByCodeMixin
from provisioning.decisions import HasChanged, confirm_closings
from provisioning.enums import Status
from provisioning.models import Replica
from provisioning.targets import connectors

#: Accounts that the page before a mass closing names.
SHOWN = 10
CLOSINGS_CHANGED = "Le nombre de comptes a changé entre-temps. Relisez-le ci-dessous avant de confirmer"


class ServicesView(AgentView, TemplateView):
    permission_required = AgentPermission.SEE
    template_name = "agents/services.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, overviews=overviews())


class OneServiceMixin:
    kwargs: dict[str, Any]

    @property
    def service(self) -> str:
        """Raises Http404 when the settings do not name it."""
        name: str = self.kwargs["target"]
        if name not in connectors():
            raise Http404
        return name


class ReplicasView(OneServiceMixin, AgentView, TemplateView):
    """Results are not counted, as for the list of accounts."""

    permission_required = AgentPermission.SEE
    template_name = "agents/service_accounts.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked = self.request.GET
        among, number = ReplicaList.named(asked.get("etat", "")), page_number(asked.get("page", ""))
        start = (number - 1) * PAGE_SIZE
        found = list(among.replicas(self.service)[start : start + PAGE_SIZE + 1])
        return super().get_context_data(
            **kwargs,
            service=self.service,
            replicas=found[:PAGE_SIZE],
            lists=ReplicaList.choices,
            list=among,
            number=number,
            previous=number - 1,
            following=number + 1,
            has_next=len(found) > PAGE_SIZE and number < LAST_PAGE,
        )


class ClosingsView(OneServiceMixin, ConfirmedByCodeMixin, AgentView, FormView):
    permission_required = AgentPermission.CONFIRM_SERVICES
    http_method_names = ["get", "head", "post"]
    form_class = ClosingsForm
    template_name = "agents/service_closings.html"

    @property
    def number(self) -> int:
        return Replica.objects.filter(target=self.service, status=Status.HELD).count()

    def get_initial(self) -> dict[str, Any]:
        return {"number": self.number}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        held = ReplicaList.HELD.replicas(self.service)[:SHOWN]
        return super().get_context_data(**{"service": self.service, "held": held, "number": self.number, **kwargs})

    def confirmed(self, form: ClosingsForm) -> HttpResponse:
        number, reason = form.cleaned_data["number"], form.cleaned_data["reason"]
        try:
            confirm_closings(target_name=self.service, number=number, agent=self.agent, reason=reason)
        except HasChanged:
            form.set_number(self.number)
            form.add_error(None, CLOSINGS_CHANGED)
            return self.form_invalid(form)
        messages.success(self.request, f"Fermetures confirmées\N{NO-BREAK SPACE}: {number}. L’écriture commence.")
        return redirect("admin:services")
