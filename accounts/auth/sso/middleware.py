"""What forms go through while a provider stands in front of the sign-in page."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.auth.sso.login_page import OWN_FORM
from accounts.auth.sso.providers import is_on

GetResponse = Callable[[HttpRequest], HttpResponse]


class SsoFormActionMiddleware:
    """Lead whoever sends a form without a session to the portal's own form: browsers follow no form to another host
    (`form-action` of the CSP), redirects included, and would just do nothing."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer; only where a form leads to the sign-in page is the answer changed."""
        response = self.get_response(request)
        if request.method == "POST" and is_on() and "Location" in response.headers:
            target = urlsplit(response["Location"])
            if target.path == reverse("login"):
                query = "&".join(filter(None, [f"{OWN_FORM}=", target.query]))
                response["Location"] = target._replace(query=query).geturl()
        return response
