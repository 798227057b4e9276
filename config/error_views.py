"""Error pages: useful, in both languages, and there with the database down (HDR-05)."""

import re
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string

from core.request_context import current_request_context
from core.security_log import log_security_event
from outbox.rendering import shared_context
from outbox.tracking import MessageNotFound

RETRY_AFTER_SECONDS = 30
#: The bracket, comma or blank after it in the text.
LINK_WITH_A_TAIL = re.compile(r"(?P<address>(?:/en)?/[a-z-]+/[A-Za-z0-9_-]{97}/)[^\w/]{1,5}/?")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: the request could not be read. No page of ours makes a browser send such a thing."""
    log_security_event("input_validation_fail", outcome="failure", reason=type(exception).__name__)
    return _page(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: this page is for others."""
    log_security_event("authz_fail", outcome="failure", account=_signed_in(request), page=_page_name(request))
    return _page(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: no such page; a mailed link is opened without what its reader's software has left at its end (TOK-11)."""
    link = LINK_WITH_A_TAIL.fullmatch(request.path)
    return redirect(link["address"]) if link else _page(request, 404)


def method_not_allowed(request: HttpRequest) -> HttpResponse:
    """405, for whoever opens the address of a button: a browser would show an empty page."""
    return _page(request, 405)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 of a form that was open for too long, or that another site sent (SES-07)."""
    log_security_event("malicious_csrf", outcome="failure", account=_signed_in(request), page=_page_name(request))
    return _page(request, 403, "403_csrf.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 with the time to wait: the database does not answer (AVL-06), or a provider is to come again."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError | MessageNotFound):
        response = _page(request, 503)
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return _page(request, 500)


def _signed_in(request: HttpRequest) -> int | None:
    """The number of whoever asks; the check that refused may have come before anybody looked."""
    user = getattr(request, "user", None)
    return user.pk if user is not None else None


def _page_name(request: HttpRequest) -> str | None:
    """What the page is called in the code: an address may hold a secret."""
    return request.resolver_match.view_name if request.resolver_match else None


def _page(request: HttpRequest, status: int, template: str | None = None) -> HttpResponse:
    """The page of a status, with the reference to give to the support."""
    language = "en" if request.path.startswith("/en/") else "fr"
    context = {**shared_context(), "reference": current_request_context().request_id, "path_language": language}
    return HttpResponse(render_to_string(template or f"{status}.html", context), status=status)
