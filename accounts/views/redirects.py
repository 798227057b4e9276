from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import RedirectURLMixin
from django.urls import Resolver404, resolve, translate_url
from django.utils.translation import get_language
from django.views.generic import View

from accounts.models import Account


class NextPageMixin(RedirectURLMixin):
    """Redirects to the page in `next`, if it is one of the portal's that takes GET."""

    def get_redirect_url(self) -> str:  # type: ignore[override]
        address = super().get_redirect_url()
        return address if _takes_get(address) else ""


def in_language_of_visit(address: str, account: Account) -> str:
    """The page after login: in English when the visitor comes from English pages, which they have chosen; in the
    language of the account from the French ones, where everyone arrives."""
    visited = get_language() or settings.LANGUAGE_CODE
    return translate_url(address, account.language if visited == settings.LANGUAGE_CODE else visited)


def _takes_get(address: str) -> bool:
    try:
        view: Any = resolve(urlsplit(address).path).func
    except (Resolver404, ValueError):
        return False
    return "get" in getattr(getattr(view, "view_class", View), "http_method_names", ())
