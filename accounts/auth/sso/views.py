"""To the provider and back. Whatever it answers ends on a page of the portal, and the ticket leaves the address bar."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse, translate_url
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.generic import TemplateView, View

from accounts.auth.login import AccountIsLocked, LoginRefused
from accounts.auth.sessions import start_session
from accounts.auth.sso import services
from accounts.auth.sso.login_page import OWN_FORM, login_page
from accounts.auth.sso.providers import IdentityNotConfirmed, ProviderUnavailable, is_on, provider
from accounts.auth.sso.state import LoginAttempt, UnknownLoginAttempt, new_state, pop_attempt, save_attempt
from accounts.models import Account
from accounts.views.redirects import NextPageMixin

INTERRUPTED, UNAVAILABLE, NOBODY = "single-sign-on-interrupted", "single-sign-on-unavailable", "single-sign-on-nobody"


@method_decorator(login_not_required, name="dispatch")
class ProviderView(View):
    """Exists while the adapter is on. GET only: a HEAD would use up a ticket."""

    http_method_names = ["get"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, or say that there is no such page."""
        if not is_on():
            raise Http404
        return super().dispatch(request, *args, **kwargs)


class LeaveView(NextPageMixin, ProviderView):
    """Send the visitor to the provider."""

    next_page = "account"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Remember the visit in this session alone, so that nobody can be signed in as somebody else (login CSRF)."""
        state = new_state()
        try:
            departure = provider().departure(return_url=return_url(), state=state)
        except (ProviderUnavailable, IdentityNotConfirmed):
            return redirect(login_page(UNAVAILABLE, self.get_redirect_url()))
        language = translation.get_language() or settings.LANGUAGE_CODE
        visit = LoginAttempt(next=self.get_success_url(), language=language, secrets=departure.secrets)
        save_attempt(request.session, state, visit)
        return redirect(departure.url)


class ReturnView(ProviderView):
    """Take the visitor back from the provider, to the page that they wanted."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Sign in whom the provider confirms. The provider knows one address, so the visit tells the language."""
        try:
            visit = pop_attempt(request.session, request.GET.get("state", ""))
        except UnknownLoginAttempt:
            return redirect(INTERRUPTED)
        with translation.override(visit["language"]):
            return self._welcome(request, visit)

    def _welcome(self, request: HttpRequest, visit: LoginAttempt) -> HttpResponse:
        try:
            account = services.account_from_provider(answer=request.GET.dict(), secrets=visit["secrets"])
        except IdentityNotConfirmed:
            return redirect(login_page(INTERRUPTED, visit["next"]))
        except ProviderUnavailable:
            return redirect(login_page(UNAVAILABLE, visit["next"]))
        except AccountIsLocked:
            return redirect("locked-help")
        except LoginRefused:
            return redirect(NOBODY)
        return self._sign_in(request, account, visit)

    def _sign_in(self, request: HttpRequest, account: Account, visit: LoginAttempt) -> HttpResponse:
        """The provider is believed about who they are, not about their password: that stays unconfirmed (SES-08)."""
        start_session(request, account, by=settings.SIGN_IN)
        return redirect(translate_url(visit["next"], account.language))


class SignOutOfProviderView(ProviderView):
    """On to the page where the provider's own session is closed; the portal's is over by then."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The ENT has a way out of its own, where the provider names none."""
        home = f"{settings.PORTAL_URL}{reverse('home')}"
        try:
            return redirect(provider().sign_out_url(return_url=home))
        except (ProviderUnavailable, IdentityNotConfirmed):
            return redirect(settings.ENT_URL)


@method_decorator(login_not_required, name="dispatch")
class FailureView(NextPageMixin, TemplateView):
    """Says why nobody was signed in, and what to do; the same for everybody."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The page that was wanted, for the next try."""
        wanted = self.get_redirect_url()
        return super().get_context_data(
            **kwargs, again_url=login_page("login", wanted), own_form_url=login_page("login", wanted, **{OWN_FORM: ""})
        )


def return_url() -> str:
    """The one address that the provider has to know, whatever the language."""
    with translation.override(settings.LANGUAGE_CODE):
        return f"{settings.PORTAL_URL}{reverse('single-sign-on-return')}"
