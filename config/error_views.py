"""Error pages, in both languages; they need no database."""

import re
import sys

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string

from agents.announcement import current_announcement
from core.database_errors import is_outage
from core.request_context import current_request_context
from core.security_log import log_security_event
from outbox.rendering import shared_context
from outbox.tracking import MessageNotFound

RETRY_AFTER_SECONDS = 30
#: A mailed link with what some mail programs glue to it: punctuation, marks of emphasis, signs in codes of HTML.
LINK_WITH_TRAILING_PUNCTUATION = re.compile(
    r"(?P<address>(?:/en)?/[a-z-]+/[A-Za-z0-9_-]{97}/)(?:[^\w/]|_|&\w{2,4};|&#\d{2,4};|=20|=3D){1,5}/?"
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """413 of a form that is too large, 400 of any other request that Django refuses."""
    log_security_event("input_validation_fail", outcome="failure", reason=type(exception).__name__)
    return _page(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    log_security_event("authz_fail", outcome="failure", account=_signed_in(request), page=_page_name(request))
    return _page(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, or a redirect to the mailed link that trailing punctuation was appended to."""
    link = LINK_WITH_TRAILING_PUNCTUATION.fullmatch(request.path)
    return redirect(link["address"]) if link else _page(request, 404)


def method_not_allowed(request: HttpRequest) -> HttpResponse:
    """405, where a browser would show an empty page."""
    return _page(request, 405)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 of a form that was open for too long, or that another site sent."""
    log_security_event("malicious_csrf", outcome="failure", account=_signed_in(request), page=_page_name(request))
    return _page(request, 403, "403_csrf.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 with Retry-After when the database cannot be used or the mail provider has to retry."""
    error = sys.exc_info()[1]
    if is_outage(error) or isinstance(error, MessageNotFound):
        response = _page(request, 503)
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return _page(request, 500)


def _signed_in(request: HttpRequest) -> int | None:
    """The id of the signed-in account; request.user is missing when an earlier middleware refused."""
    user = getattr(request, "user", None)
    return user.pk if user is not None else None


def _page_name(request: HttpRequest) -> str | None:
    """The view name: a path may hold a secret."""
    return request.resolver_match.view_name if request.resolver_match else None


def _page(request: HttpRequest, status: int, template: str | None = None) -> HttpResponse:
    """The page of a status, with the request id for the support."""
    language = "en" if request.path.startswith("/en/") else "fr"
    context = {
        **shared_context(),
        "announcement": current_announcement(language),
        "reference": current_request_context().request_id,
        "path_language": language,
    }
    return HttpResponse(render_to_string(template or f"{status}.html", context), status=status)
