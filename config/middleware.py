import re
import uuid
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import http_date

from accounts.auth.known_browser import accounts_known_to
from config.error_views import method_not_allowed
from core.client_ip import client_address, device_name, is_trusted_proxy
from core.logging import LINK_SECRET
from core.rate_limits import RateLimitExceeded
from core.request_context import IN_ENVIRONMENT, RequestContext, current_request_context, use_request_context

GetResponse = Callable[[HttpRequest], HttpResponse]

FORWARDED_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED")
# Django's format; any other cookie is forged and saved a query.
SESSION_KEY = re.compile(r"[a-z0-9]{32}")
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
NO_STORE = "max-age=0, no-cache, no-store, must-revalidate, private"


class RequestContextMiddleware:
    """Sets the request context, and drops forwarded headers that no trusted proxy has sent."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        address, device, known_to = client_address(request), device_name(request), accounts_known_to(request)
        context = RequestContext("web", address, device, uuid.uuid4().hex, known_to)
        request.META[IN_ENVIRONMENT] = context
        if not is_trusted_proxy(request.META.get("REMOTE_ADDR")):
            for header in FORWARDED_HEADERS:
                request.META.pop(header, None)
        if not SESSION_KEY.fullmatch(request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")):
            request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        with use_request_context(context):
            return self.get_response(request)


class PortalHeadersMiddleware:
    """Headers that no library sets, or that libraries leave out of error responses."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and _accepts_html(request):
            response.content = method_not_allowed(request).content
        if _has_link_token(request):
            # For every response there. The pages behind it keep `same-origin`: under `no-referrer` browsers send
            # `Origin: null` with forms, which the CSRF check refuses.
            response.headers["Referrer-Policy"] = "no-referrer"
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("X-Request-Id", current_request_context().request_id)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = NO_STORE
            response.headers.setdefault("Expires", http_date())
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """429 with Retry-After for RateLimitExceeded."""
        if not isinstance(exception, RateLimitExceeded):
            return None
        minutes = -(-exception.retry_after // 60)
        context = {"retry_minutes": minutes, "reference": current_request_context().request_id}
        response = render(request, "429.html", context, status=429)
        response["Retry-After"] = str(exception.retry_after)
        return response


def _has_link_token(request: HttpRequest) -> bool:
    """Whether the path holds a token, or a damaged one."""
    match = request.resolver_match
    return LINK_SECRET.search(request.path) is not None or (match is not None and "token" in match.kwargs)


def _accepts_html(request: HttpRequest) -> bool:
    return request.method == "GET" and "text/html" in request.headers.get("Accept", "")
