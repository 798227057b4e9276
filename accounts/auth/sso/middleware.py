from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.auth.sso.login_page import OWN_FORM
from accounts.auth.sso.providers import is_enabled

GetResponse = Callable[[HttpRequest], HttpResponse]


class SsoFormActionMiddleware:
    """Redirect a form that was posted without a session to the portal's own login form.

    The login page would redirect to the provider, and browsers block a form that redirects to another host
    (`form-action` of the CSP).
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method == "POST" and is_enabled() and "Location" in response.headers:
            target = urlsplit(response["Location"])
            if target.path == reverse("login"):
                query = "&".join(filter(None, [f"{OWN_FORM}=", target.query]))
                response["Location"] = target._replace(query=query).geturl()
        return response
