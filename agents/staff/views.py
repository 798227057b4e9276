"""The list of agents, their roles and their enrolment codes."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.generic import FormView, TemplateView
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Account
from accounts.permissions import AgentPermission, may_manage
from agents.access import AgentView
from agents.models import EnrolmentCode
from agents.second_factor.confirmation import ConfirmedByCodeMixin
from agents.second_factor.services import device_of, issue_enrolment_code
from agents.staff.forms import ALREADY_AGENT, AppointmentForm, EnrolmentCodeForm, RoleForm, WithdrawalForm
from agents.staff.services import (
    AccountIsNotAgent,
    AlreadyAgent,
    CannotBeAgent,
    LastResponsable,
    RoleNotAllowed,
    RoleRefused,
    change_role,
    grant_role,
    role_of,
    withdraw_role,
)

REFUSALS: dict[type[RoleRefused], str] = {
    AlreadyAgent: ALREADY_AGENT,
    CannotBeAgent: "Ce compte n’est plus actif\N{NO-BREAK SPACE}: il ne peut pas recevoir de rôle",
    LastResponsable: "Il ne resterait personne pour gérer les agents\N{NO-BREAK SPACE}: nommez d’abord un responsable",
    AccountIsNotAgent: "Un autre responsable vient de retirer son rôle à cette personne",
}


class AgentsView(AgentView, TemplateView):
    permission_required = AgentPermission.MANAGE_AGENTS
    template_name = "agents/agents.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        devices = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        codes = EnrolmentCode.objects.valid_at(timezone.now()).filter(account=OuterRef("pk"))
        agents = Account.objects.with_lock().filter(is_staff=True).prefetch_related("groups")
        return super().get_context_data(
            **kwargs,
            agents=agents.annotate(has_device=Exists(devices), has_code=Exists(codes)).order_by(
                "family_name", "given_name", "pk"
            ),
        )


class OneAgentView(ConfirmedByCodeMixin, AgentView, FormView):
    """A form about another agent, never about the agent who opens it."""

    permission_required = AgentPermission.MANAGE_AGENTS
    http_method_names = ["get", "head", "post"]

    @cached_property
    def account(self) -> Account:
        account: Account = get_object_or_404(Account.objects.with_lock(), pk=self.kwargs["pk"], is_staff=True)
        if not may_manage(self.agent, account):
            raise PermissionDenied
        return account

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**{"account": self.account, **kwargs})


class RoleActionView(ConfirmedByCodeMixin, AgentView, FormView):
    """A change of a role, refused with a message when another agent was faster."""

    permission_required = AgentPermission.MANAGE_AGENTS
    http_method_names = ["get", "head", "post"]

    def act(self, form: Any) -> HttpResponse:
        """Call the service and redirect. Raises RoleRefused."""
        raise NotImplementedError

    def confirmed(self, form: Form) -> HttpResponse:
        try:
            return self.act(form)
        except RoleNotAllowed as refused:
            raise PermissionDenied from refused
        except RoleRefused as refused:
            form.add_error(None, REFUSALS[type(refused)])
            # The mixin calls it with the form of this view, which asks for a code as well (arg-type).
            return self.form_invalid(form)  # type: ignore[arg-type]


class AppointmentView(RoleActionView):
    form_class = AppointmentForm
    template_name = "agents/agent_new.html"

    def act(self, form: AppointmentForm) -> HttpResponse:
        person, role = form.person, form.cleaned_data["role"]
        grant_role(account=person, role=role, actor=self.agent, reason=form.cleaned_data["reason"])
        messages.success(self.request, f"{person.full_name} est maintenant agent, avec le rôle {role.label}.")
        return redirect("admin:agent-code", person.pk)


class RoleView(RoleActionView, OneAgentView):
    form_class = RoleForm
    template_name = "agents/agent_role.html"

    @cached_property
    def role(self) -> str:
        return role_of(self.account)

    def get_initial(self) -> dict[str, Any]:
        return {"role": self.role}

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "former": self.role}

    def act(self, form: RoleForm) -> HttpResponse:
        role = form.cleaned_data["role"]
        change_role(account=self.account, role=role, actor=self.agent, reason=form.cleaned_data["reason"])
        messages.success(self.request, f"{self.account.full_name} a maintenant le rôle {role.label}.")
        return redirect("admin:agents")


class WithdrawalView(RoleActionView, OneAgentView):
    form_class = WithdrawalForm
    template_name = "agents/agent_role_removal.html"

    def act(self, form: WithdrawalForm) -> HttpResponse:
        withdraw_role(account=self.account, actor=self.agent, reason=form.cleaned_data["reason"])
        messages.success(self.request, f"{self.account.full_name} n’est plus agent.")
        return redirect("admin:agents")


class EnrolmentCodeView(OneAgentView):
    form_class = EnrolmentCodeForm
    template_name = "agents/enrolment_code.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**{"device": device_of(self.account), **kwargs})

    def confirmed(self, form: EnrolmentCodeForm) -> HttpResponse:
        account = self.account
        code = issue_enrolment_code(account=account, actor=self.agent, reason=form.cleaned_data["reason"])
        context = {
            "view": self,
            "account": account,
            "code": code,
            "until": EnrolmentCode.objects.get(account=account).expires_at,
            "enrolment_url": f"{settings.PORTAL_URL}{reverse('admin:enrolment')}",
        }
        return self.response_class(self.request, ["agents/enrolment_code_created.html"], context)
