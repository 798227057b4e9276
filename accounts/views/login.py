"""Signing in, signing out, staying signed in."""

from typing import Any

from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse, translate_url
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, View

from accounts import services
from accounts.auth.sessions import start_session, confirm_password
from accounts.auth.sso import providers as single_sign_on
from accounts.auth.sso.login_page import OWN_FORM, login_page
from accounts.forms import LoginForm
from accounts.views.redirects import NextPageMixin

TOO_MANY_REQUESTS = 429


@method_decorator([login_not_required, sensitive_post_parameters("password")], name="dispatch")
class LoginView(NextPageMixin, FormView):
    """Institutional address and password; one message for every failure (ENU-02)."""

    http_method_names = ["get", "head", "post"]
    form_class = LoginForm
    template_name = "accounts/login.html"
    next_page = "account"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The university's own provider first, where there is one; `?ici` asks for the portal's form."""
        if single_sign_on.is_on() and OWN_FORM not in request.GET:
            return redirect(login_page("single-sign-on", self.get_redirect_url()))
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Where to go afterwards, when that is a page of the portal; and the provider, where there is one."""
        wanted = self.get_redirect_url()
        provider_url = login_page("single-sign-on", wanted) if single_sign_on.is_on() else ""
        return super().get_context_data(**kwargs, next=wanted, provider_url=provider_url)

    def form_valid(self, form: LoginForm) -> HttpResponse:
        """Open a new session and go on in the person's own language."""
        destination = self.get_success_url()
        start_session(self.request, form.account)
        confirm_password(self.request)
        return redirect(translate_url(destination, form.account.language))

    def form_invalid(self, form: LoginForm) -> HttpResponse:
        """Say no; only the right password of a locked account is told of the lock (design §3)."""
        if form.is_locked:
            return redirect("locked-help")
        return rate_limited(super().form_invalid(form), form.retry_after)


def rate_limited(response: HttpResponse, retry_after: int) -> HttpResponse:
    """The answer to a form, as 429 when the person, or somebody else from there, has to wait (D7)."""
    if retry_after:
        response.status_code = TOO_MANY_REQUESTS
        response["Retry-After"] = str(retry_after)
    return response


class LogoutView(NextPageMixin, auth_views.LogoutView):
    """End the session; by POST only (SES-07)."""

    open_without_charter = True
    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Note it, then end it."""
        if request.user.is_authenticated:
            services.record_logout(account=request.user)
        return super().post(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        """A provider goes on knowing the person: say so, and how to leave there too."""
        return reverse("signed-out") if single_sign_on.is_on() else super().get_default_redirect_url()


class KeepAliveView(View):
    """ "Continuer": the person is still there (A11Y-06)."""

    http_method_names = ["get", "head"]
    open_without_charter = True

    def get(self, request: HttpRequest) -> HttpResponse:
        """Having come through the middleware has noted it."""
        return HttpResponse(status=204)
