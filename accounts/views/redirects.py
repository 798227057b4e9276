"""The page that somebody wanted before another came in between."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.views import RedirectURLMixin
from django.urls import Resolver404, resolve
from django.views.generic import View


class NextPageMixin(RedirectURLMixin):
    """Goes on to the page that was wanted, when it is one of the portal's."""

    def get_redirect_url(self) -> str:  # type: ignore[override]
        """Its address, or "". Not what a button does: nobody presses it now."""
        wanted = super().get_redirect_url()
        return wanted if _can_be_opened(wanted) else ""


def _can_be_opened(address: str) -> bool:
    try:
        view: Any = resolve(urlsplit(address).path).func
    except (Resolver404, ValueError):
        return False
    return "get" in getattr(getattr(view, "view_class", View), "http_method_names", ())
