"""The public pages, the activation and the account: each page in the states whose templates differ."""

from tests.pages.registry import ACTIONS, PAGES, QUERIES, REFUSALS, Page, PageRequest
from tests.pages.states import active_without_a_charter, logged_in, publish_another_charter

__all__ = ["ACTIONS", "PAGES", "QUERIES", "REFUSALS", "Page", "PageRequest", "active_without_a_charter", "logged_in"]
__all__ += ["publish_another_charter"]
