from typing import Any

from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, View

from accounts.auth.known_browser import remember_browser
from accounts.auth.sessions import confirm_password, start_session
from accounts.auth.sso import providers as sso
from accounts.auth.sso.login_page import OWN_FORM, login_page
from accounts.forms import LoginForm
from accounts.models import Account
from accounts.services import record_logout
from accounts.views.redirects import NextPageMixin, in_language_of_visit

TOO_MANY_REQUESTS = 429


@method_decorator([login_not_required, sensitive_post_parameters("password")], name="dispatch")
class LoginView(NextPageMixin, FormView):
    http_method_names = ["get", "head", "post"]
    form_class = LoginForm
    template_name = "accounts/login.html"
    next_page = "account"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if sso.is_enabled() and OWN_FORM not in request.GET:
            return redirect(login_page("single-sign-on", self.get_redirect_url()))
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        next_page = self.get_redirect_url()
        provider_url = login_page("single-sign-on", next_page) if sso.is_enabled() else ""
        return super().get_context_data(**kwargs, next=next_page, provider_url=provider_url)

    def form_valid(self, form: LoginForm) -> HttpResponse:
        destination = self.get_success_url()
        start_session(self.request, form.account)
        confirm_password(self.request)
        response = redirect(in_language_of_visit(destination, form.account))
        remember_browser(response, form.account)
        return response

    def form_invalid(self, form: LoginForm) -> HttpResponse:
        if form.locked_account:
            return locked_page(self.request, form.locked_account)
        return rate_limited(super().form_invalid(form), form.retry_after)


def locked_page(request: HttpRequest, account: Account) -> HttpResponse:
    """Why the account is locked and what to do, for its owner, who has just proved their identity."""
    return render(request, "pages/compte-bloque.html", {"lock": account.locks.open().first()})


def rate_limited(response: HttpResponse, retry_after: int) -> HttpResponse:
    """The page of a form as a 429, when `retry_after` seconds have to pass before the next attempt."""
    if retry_after:
        response.status_code = TOO_MANY_REQUESTS
        response["Retry-After"] = str(retry_after)
    return response


class LogoutView(NextPageMixin, auth_views.LogoutView):
    open_without_charter = True
    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            record_logout(account=request.user)
        response = super().post(request, *args, **kwargs)
        # With single sign-on the next page says so itself.
        if not sso.is_enabled():
            messages.success(request, _("Votre session est fermée."))
        return response

    def get_default_redirect_url(self) -> str:
        # With single sign-on the provider's session goes on: a page offers to end it too.
        return reverse("signed-out") if sso.is_enabled() else super().get_default_redirect_url()


class KeepAliveView(View):
    """Requested by the button that extends the session; the middleware records the activity."""

    http_method_names = ["get", "head"]
    open_without_charter = True

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=204)
