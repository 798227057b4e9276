"""The admin site under /admin/: the pages of `agents.urls` instead of Django's."""

from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from agents import access


class AgentSite(AdminSite):
    """No page asks for a password or changes an account: agents sign in through the portal."""

    final_catch_all_view = False

    def has_permission(self, request: HttpRequest) -> bool:
        try:
            return access.is_verified_agent(request)
        except PermissionDenied:
            return False

    def get_urls(self) -> list[Any]:
        from agents.urls import urlpatterns

        return list(urlpatterns)
