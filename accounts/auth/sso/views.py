"""To the provider and back; every outcome redirects, so that no ticket or code stays in the address bar."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.generic import TemplateView, View

from accounts.auth.known_browser import remember_browser
from accounts.auth.login import AccountIsLocked, LoginRefused
from accounts.auth.sessions import start_session
from accounts.auth.sso.base import IdentityNotConfirmed, ProviderUnavailable
from accounts.auth.sso.login_page import OWN_FORM, login_page
from accounts.auth.sso.providers import get_provider, is_enabled
from accounts.auth.sso.services import account_from_provider
from accounts.auth.sso.state import LoginAttempt, UnknownLoginAttempt, new_state, pop_attempt, save_attempt
from accounts.views.login import locked_page
from accounts.views.redirects import NextPageMixin, in_language_of_visit

INTERRUPTED = "single-sign-on-interrupted"
UNAVAILABLE = "single-sign-on-unavailable"
ACCOUNT_NOT_FOUND = "single-sign-on-nobody"


@method_decorator(login_not_required, name="dispatch")
class ProviderView(View):
    """404 unless single sign-on is enabled. GET only: a HEAD would use up a ticket."""

    http_method_names = ["get"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not is_enabled():
            raise Http404
        return super().dispatch(request, *args, **kwargs)


class ProviderLoginView(NextPageMixin, ProviderView):
    next_page = "account"

    def get(self, request: HttpRequest) -> HttpResponse:
        state = new_state()
        try:
            authorization = get_provider().authorization_request(return_url=return_url(), state=state)
        except (ProviderUnavailable, IdentityNotConfirmed):
            return redirect(login_page(UNAVAILABLE, self.get_redirect_url()))
        language = translation.get_language() or settings.LANGUAGE_CODE
        attempt = LoginAttempt(next=self.get_success_url(), language=language, secrets=authorization.secrets)
        save_attempt(request.session, state, attempt)
        return redirect(authorization.url)


class ProviderReturnView(ProviderView):
    def get(self, request: HttpRequest) -> HttpResponse:
        try:
            attempt = pop_attempt(request.session, request.GET.get("state", ""))
        except UnknownLoginAttempt:
            return redirect(INTERRUPTED)
        # The provider redirects to one address, whatever the language.
        with translation.override(attempt["language"]):
            return self._finish(request, attempt)

    def _finish(self, request: HttpRequest, attempt: LoginAttempt) -> HttpResponse:
        try:
            account = account_from_provider(response=request.GET.dict(), secrets=attempt["secrets"])
        except IdentityNotConfirmed:
            return redirect(login_page(INTERRUPTED, attempt["next"]))
        except ProviderUnavailable:
            return redirect(login_page(UNAVAILABLE, attempt["next"]))
        except AccountIsLocked as refused:
            return locked_page(request, refused.account)
        except LoginRefused:
            return redirect(ACCOUNT_NOT_FOUND)
        # The provider proves the identity, not the portal's password: no `confirm_password` here.
        start_session(request, account, by=settings.SIGN_IN)
        response = redirect(in_language_of_visit(attempt["next"], account))
        remember_browser(response, account)
        return response


class ProviderLogoutView(ProviderView):
    """Ends the provider's own session; the portal's has ended before."""

    def get(self, request: HttpRequest) -> HttpResponse:
        home = f"{settings.PORTAL_URL}{reverse('home')}"
        try:
            return redirect(get_provider().logout_url(return_url=home))
        except (ProviderUnavailable, IdentityNotConfirmed):
            return redirect(settings.ENT_URL)


@method_decorator(login_not_required, name="dispatch")
class FailureView(NextPageMixin, TemplateView):
    """Why the login failed, and how to go on."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        next_page = self.get_redirect_url()
        return super().get_context_data(
            **kwargs,
            again_url=login_page("login", next_page),
            own_form_url=login_page("login", next_page, **{OWN_FORM: ""}),
        )


def return_url() -> str:
    """The address that is registered at the provider, whatever the language."""
    with translation.override(settings.LANGUAGE_CODE):
        return f"{settings.PORTAL_URL}{reverse('single-sign-on-return')}"
