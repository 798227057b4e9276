"""The admin site: the agents' own pages under /admin/, and nothing of Django's own besides."""

from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from agents import access


class AgentSite(AdminSite):
    """No page asks for a password, nor adds or changes an account (PWD-07): people sign in through the portal."""

    final_catch_all_view = False

    def has_permission(self, request: HttpRequest) -> bool:
        """Agents whose session was verified with their device."""
        try:
            return access.is_verified_agent(request)
        except PermissionDenied:
            return False

    def get_urls(self) -> list[Any]:
        """The pages of `agents.urls`."""
        from agents.urls import urlpatterns

        return list(urlpatterns)
