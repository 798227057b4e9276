"""The public pages, the activation and the account: each page in the states whose templates differ."""

from tests.pages import public
from tests.pages.account import active_without_a_charter, publish_another_charter
from tests.pages.registry import ACTIONS, PAGES, QUERIES, REFUSALS, Page, PageRequest, logged_in

__all__ = ["ACTIONS", "PAGES", "QUERIES", "REFUSALS", "Page", "PageRequest", "active_without_a_charter", "logged_in"]
__all__ += ["public", "publish_another_charter"]
