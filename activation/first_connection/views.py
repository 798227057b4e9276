"""Requests for a link: first connection, forgotten password, the button on the page of an expired link."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.generic import FormView, TemplateView, View

from accounts.links.account_links import password_reset_link
from accounts.links.signed_link import SignedLink, TokenPayload
from accounts.links.views import link_session_key
from accounts.models import Account
from activation import services
from activation.enums import LinkRequestKind
from activation.forms import FirstConnectionForm
from activation.wizard.session import refusal
from core.rate_limits import LINK_REQUESTS

#: Session item: the login that was typed, or that the account was known by its link.
LINK_ASKED = "link_asked"


@method_decorator(login_not_required, name="dispatch")
class LinkRequestView(FormView):
    """Asks for the login, mails to the recovery address; the response is the same for every login."""

    http_method_names = ["get", "head", "post"]
    form_class = FirstConnectionForm
    wish: LinkRequestKind
    answer_page: str

    def form_valid(self, form: FirstConnectionForm) -> HttpResponse:
        login = form.cleaned_data["login"]
        # "website" is a honeypot: hidden from people, filled in by robots.
        if not self.request.POST.get("website"):
            LINK_REQUESTS.hit()
            services.request_link(login=login, wish=self.wish)
        self.request.session[LINK_ASKED] = {"login": login}
        return redirect(self.answer_page)


class FirstConnectionView(LinkRequestView):
    template_name = "activation/first_connection.html"
    wish = LinkRequestKind.FIRST_CONNECTION
    answer_page = "first-connection-answer"


class ForgottenPasswordView(LinkRequestView):
    template_name = "activation/forgotten_password.html"
    wish = LinkRequestKind.FORGOTTEN_PASSWORD
    answer_page = "forgotten-password-answer"


@method_decorator(login_not_required, name="dispatch")
class LinkRequestAnswerView(TemplateView):
    template_name = "activation/link_requested.html"
    form_page = ""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked = self.request.session.get(LINK_ASKED, {})
        return super().get_context_data(**kwargs, asked=asked, form_page=self.form_page)


@method_decorator(login_not_required, name="dispatch")
class NewLinkView(View):
    """The button on the page of an expired link: mails another one to the address on file."""

    http_method_names = ["post"]
    wish: LinkRequestKind
    form_page: str
    answer_page: str

    def post(self, request: HttpRequest) -> HttpResponse:
        LINK_REQUESTS.hit()
        account = Account.objects.filter(pk=self.account_id(request)).first()
        if account is None:
            return redirect(self.form_page)
        services.request_link(login=account.login, wish=self.wish)
        self.forget_link()
        request.session[LINK_ASKED] = {"behind_link": True}
        return redirect(self.answer_page)

    def account_id(self, request: HttpRequest) -> object:
        """The account of the expired link; None when no link was opened in this session."""
        raise NotImplementedError

    def forget_link(self) -> None:
        """Only where the session holds nothing else; elsewhere its payload stays."""


class NewActivationLinkView(NewLinkView):
    wish = LinkRequestKind.FIRST_CONNECTION
    form_page, answer_page = "first-connection", "first-connection-answer"

    def account_id(self, request: HttpRequest) -> object:
        return (refusal(request) or {}).get("account_id")

    def forget_link(self) -> None:
        self.request.session.flush()


class NewLinkBehindLinkView(NewLinkView):
    """Another link for the same purpose; its signed payload is still in the session."""

    link: SignedLink

    def account_id(self, request: HttpRequest) -> object:
        payload = request.session.get(link_session_key(self.link))
        return TokenPayload(*payload).account_id if payload else None


class NewPasswordResetLinkView(NewLinkBehindLinkView):
    link = password_reset_link
    wish = LinkRequestKind.FORGOTTEN_PASSWORD
    form_page, answer_page = "forgotten-password", "forgotten-password-answer"
