from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.views import RedirectURLMixin
from django.urls import Resolver404, resolve
from django.views.generic import View


class NextPageMixin(RedirectURLMixin):
    """Redirects to the page in `next`, if it is one of the portal's that takes GET."""

    def get_redirect_url(self) -> str:  # type: ignore[override]
        address = super().get_redirect_url()
        return address if _takes_get(address) else ""


def _takes_get(address: str) -> bool:
    try:
        view: Any = resolve(urlsplit(address).path).func
    except (Resolver404, ValueError):
        return False
    return "get" in getattr(getattr(view, "view_class", View), "http_method_names", ())
