"""Refuse before the form is read: CsrfViewMiddleware would receive a whole HR file from anyone."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from agents.access import AgentView, refusal

View = Callable[..., HttpResponse]


class AgentAccessMiddleware:
    """Looks at second factor and permission before the middleware that follows reads the body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseRedirect | None:
        page = getattr(view, "view_class", None)
        if page is None or not issubclass(page, AgentView):
            return None
        return refusal(request, page.permission_required)
