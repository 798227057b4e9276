"""Pages of an account: sign in, sign out, and what is set."""

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView, RedirectURLMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, TemplateView

from accounts import services
from accounts.forms import SignInForm
from accounts.models import Account

TOO_MANY_REQUESTS = 429
LATEST_ACTIVITIES = 5


def without_referrer(response: HttpResponse) -> HttpResponse:
    """Let the address that holds the token travel nowhere (TOK-09). The pages after it keep `same-origin`: under
    `no-referrer` browsers send `Origin: null` with their forms, which the CSRF check rightly refuses."""
    response["Referrer-Policy"] = "no-referrer"
    return response


@method_decorator([login_not_required, sensitive_post_parameters("password")], name="dispatch")
class SignInView(RedirectURLMixin, FormView):
    """Institutional address and password; one message for every failure (ENU-02)."""

    http_method_names = ["get", "head", "post"]
    form_class = SignInForm
    template_name = "accounts/sign_in.html"
    next_page = "account"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Where to go afterwards, when that is a page of the portal."""
        return super().get_context_data(**kwargs, next=self.get_redirect_url())

    def form_valid(self, form: SignInForm) -> HttpResponse:
        """Open a new session: nothing of the anonymous one is kept (SES-01)."""
        self.request.session.flush()
        login(self.request, form.account)
        services.note_sign_in(account=form.account)
        return redirect(self.get_success_url())

    def form_invalid(self, form: SignInForm) -> HttpResponse:
        """Say no; only the right password of a locked account is told of the lock (design §3)."""
        if form.is_locked:
            return redirect("locked-help")
        response = super().form_invalid(form)
        if form.retry_after:
            response.status_code = TOO_MANY_REQUESTS
            response["Retry-After"] = str(form.retry_after)
        return response


class SignOutView(LogoutView):
    """End the session; by POST only (SES-07)."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Note it, then end it."""
        if request.user.is_authenticated:
            services.note_sign_out(account=request.user)
        return super().post(request, *args, **kwargs)


class AccountView(TemplateView):
    """« Compte informatique »: who one is, and what is set."""

    template_name = "accounts/account.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The account with its mailbox, forwarding and directory choice, and what happened last."""
        account = Account.objects.with_lock().select_related("redirection", "mailbox").get(pk=self.request.user.pk)
        return super().get_context_data(
            **kwargs,
            account=account,
            redirection=getattr(account, "redirection", None),
            consent=account.directory_consents.order_by("-decided_at").first(),
            activities=account.journal.order_by("-at")[:LATEST_ACTIVITIES],
        )
