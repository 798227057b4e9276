"""Redirect logged-in users to a charter that they have not accepted."""

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Account
from activation.charter.gate import clear_charter_due, is_charter_due
from activation.models import Charter

View = Callable[..., HttpResponse]


class CharterMiddleware:
    """Public pages stay open, and so do views with `open_without_charter`: those that help when an account is
    compromised, those required by law (data, directory), and logout."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseRedirect | None:
        if is_open_without_charter(view) or not is_charter_due(request):
            return None
        if not Charter.objects.is_due_from(cast(Account, request.user)):
            clear_charter_due(request)
            return None
        if request.method == "POST":
            messages.warning(
                request,
                _(
                    "Votre demande n’a pas été enregistrée\N{NO-BREAK SPACE}: "
                    "acceptez d’abord la charte, puis recommencez."
                ),
            )
        return HttpResponseRedirect(_charter_before(request, view))


def is_open_without_charter(view: View) -> bool:
    is_public = not getattr(view, "login_required", True)
    return is_public or getattr(_page(view), "open_without_charter", False)


def _charter_before(request: HttpRequest, view: View) -> str:
    charter = reverse("account-charter")
    if request.method not in ("GET", "HEAD") and not hasattr(_page(view), "get"):
        return charter
    return f"{charter}?{urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})}"


def _page(view: View) -> object:
    return getattr(view, "view_class", view)
