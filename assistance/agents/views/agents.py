"""The agents, and the codes with which they enrol: for Responsables."""

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import FormView, TemplateView
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Account
from assistance.agents import second_factor
from assistance.agents.access import AgentView, may_manage
from assistance.agents.forms.agents import EnrolmentCodeForm
from assistance.agents.models import EnrolmentCode
from assistance.agents.roles import Ability


class AgentsView(AgentView, TemplateView):
    """Who is an agent, in which role, and whether the second factor is there."""

    ability = Ability.MANAGE_AGENTS
    template_name = "agents/agents.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """All of them: they are a few dozen."""
        devices = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        codes = EnrolmentCode.objects.filter(account=OuterRef("pk"))
        agents = Account.objects.with_lock().filter(is_staff=True).prefetch_related("groups")
        return super().get_context_data(
            **kwargs,
            agents=agents.annotate(has_device=Exists(devices), has_code=Exists(codes)).order_by(
                "family_name", "given_name", "pk"
            ),
        )


class EnrolmentCodeView(AgentView, FormView):
    """Give another agent a new enrolment code, with a reason; never oneself (ADM-05)."""

    ability = Ability.MANAGE_AGENTS
    http_method_names = ["get", "head", "post"]
    form_class = EnrolmentCodeForm
    template_name = "agents/enrolment_code.html"

    @property
    def account(self) -> Account:
        """The agent whom the code is for."""
        account: Account = get_object_or_404(Account.objects.with_lock(), pk=self.kwargs["pk"], is_staff=True)
        if not may_manage(self.agent, account):
            raise PermissionDenied
        return account

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The agent, and whether an application would go."""
        account = self.account
        device = second_factor.device_of(account)
        return super().get_context_data(**{"account": account, "device": device, **kwargs})

    def form_valid(self, form: EnrolmentCodeForm) -> HttpResponse:
        """Show the code, here and once."""
        account = self.account
        code = second_factor.give_enrolment_code(account=account, actor=self.agent, reason=form.cleaned_data["reason"])
        context = {
            "view": self,
            "account": account,
            "code": code,
            "until": EnrolmentCode.objects.get(account=account).expires_at,
            "enrolment_url": f"{settings.PORTAL_URL}{reverse('admin:enrolment')}",
        }
        return self.response_class(self.request, ["agents/enrolment_code_given.html"], context)
