from typing import Any

from django.conf import settings
from django.views.generic import TemplateView

from accounts.permissions import AgentPermission
from agents.access import AgentView
from agents.addresses.pending import pending_addresses
from agents.dashboard import dashboard, start_of_week, weekly_counts


class DashboardView(AgentView, TemplateView):
    permission_required = AgentPermission.SEE
    template_name = "agents/dashboard.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **kwargs,
            dashboard=dashboard(),
            figures=weekly_counts(),
            since=start_of_week(),
            patience=settings.NOT_ACTIVATED_AFTER_DAYS,
            addresses=pending_addresses() if self.agent.has_perm(AgentPermission.CORRECT_ADDRESS) else None,
        )
