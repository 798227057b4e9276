"""Every page of the agents' area, in one state or two; in French only, so apart from `tests/pages.py`."""

from tests.agents.pages import accounts, administration, requests, second_factor
from tests.agents.pages.registry import AGENT_PAGES, AGENT_REFUSALS, come_in

__all__ = ["AGENT_PAGES", "AGENT_REFUSALS", "accounts", "administration", "come_in", "requests", "second_factor"]
