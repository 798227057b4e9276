"""The first page of the agents' area."""

from typing import Any

from django.conf import settings
from django.views.generic import TemplateView

from accounts.permissions import Ability
from agents.access import AgentView
from agents.addresses.pending import addresses_waiting
from agents.dashboard import figures_of_the_week, week_began, what_waits


class HomeView(AgentView, TemplateView):
    """What waits, and the figures of the week."""

    ability = Ability.SEE
    template_name = "agents/home.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The counts."""
        return super().get_context_data(
            **kwargs,
            waiting=what_waits(),
            figures=figures_of_the_week(),
            since=week_began(),
            patience=settings.NOT_ACTIVATED_AFTER_DAYS,
            addresses=addresses_waiting() if self.agent.has_perm(Ability.CORRECT_ADDRESS.permission) else None,
        )
