"""Every page of the agents' area, in one state or two; in French only, so apart from `tests/pages`."""

from tests.agents.pages import service_states, states
from tests.agents.pages.registry import AGENT_PAGES, AGENT_QUERIES, AGENT_REFUSALS, come_in, load_agent_page

__all__ = ["AGENT_PAGES", "AGENT_QUERIES", "AGENT_REFUSALS", "come_in", "load_agent_page", "service_states", "states"]
