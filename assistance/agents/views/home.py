"""The first page of the agents' area."""

from typing import Any

from django.views.generic import TemplateView

from assistance.agents.access import AgentView
from assistance.agents.roles import Ability
from assistance.agents.waiting import NOT_ACTIVATED_AFTER, figures_of_the_week, week_began, what_waits


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
            patience=NOT_ACTIVATED_AFTER.days,
        )
