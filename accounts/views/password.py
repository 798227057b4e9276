from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, RedirectView, TemplateView

from accounts.auth.sessions import renew_session
from accounts.forms import ChangePasswordForm, NewPasswordForm
from accounts.links.account_links import password_reset_link
from accounts.links.signed_link import TokenPayload
from accounts.links.views import LinkAddressView, LinkPageView
from accounts.passwords import services
from accounts.passwords.services import PasswordAlreadyChanged
from accounts.services import AccountNotActive
from accounts.views.login import rate_limited
from core.security_log import log_security_event


def log_password_refusal(form: NewPasswordForm) -> None:
    fields = " ".join(form.errors)
    log_security_event("authn_password_change_fail", outcome="failure", account=form.account.pk, fields=fields)


@method_decorator(sensitive_post_parameters("current_password", "password", "password2"), name="dispatch")
class ChangePasswordView(FormView):
    http_method_names = ["get", "head", "post"]
    form_class = ChangePasswordForm
    template_name = "accounts/password.html"
    open_without_charter = True

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "account": self.request.user}

    def form_valid(self, form: ChangePasswordForm) -> HttpResponse:
        try:
            account = services.change_password(
                account=form.account,
                password=form.cleaned_data["password"],
                keep=self.request.session.session_key,
            )
        except PasswordAlreadyChanged:
            form.add_error("current_password", _("Le mot de passe actuel ne correspond pas"))
            return self.form_invalid(form)
        except AccountNotActive:
            return redirect("locked-help")
        renew_session(self.request, account)
        messages.success(
            self.request,
            _(
                "Mot de passe changé. Vos autres sessions ont été fermées. "
                "Mettez-le aussi à jour sur votre téléphone, votre tablette et votre ordinateur."
            ),
        )
        return redirect("account")

    def form_invalid(self, form: ChangePasswordForm) -> HttpResponse:
        log_password_refusal(form)
        return rate_limited(super().form_invalid(form), form.retry_after)


class WellKnownChangePasswordView(RedirectView):
    """The URL that password managers look for (W3C, "A Well-Known URL for Changing Passwords")."""

    pattern_name = "account-password"
    open_without_charter = True
    http_method_names = ["get", "head"]


class PasswordResetLinkView(LinkAddressView):
    link = password_reset_link
    page = "password-reset"
    not_valid_template = "accounts/password_reset_not_valid.html"


@method_decorator(sensitive_post_parameters("password", "password2"), name="dispatch")
class NewPasswordView(LinkPageView):
    """Choose a new password behind a link. A subclass saves it with its own service."""

    http_method_names = ["get", "head", "post"]
    template_name: str
    done_page: str

    def save(self, payload: TokenPayload, password: str) -> None:
        raise NotImplementedError

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.render_form(NewPasswordForm(account=self.opened.account))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = NewPasswordForm(request.POST, account=self.opened.account)
        if not form.is_valid():
            log_password_refusal(form)
            return self.render_form(form)
        self.save(self.payload(), form.cleaned_data["password"])
        return redirect(self.done_page)

    def render_form(self, form: NewPasswordForm) -> HttpResponse:
        context = {"form": form, "account": self.opened.account, "deadline": self.opened.deadline}
        return render(self.request, self.template_name, context)


class PasswordResetView(NewPasswordView):
    link = password_reset_link
    template_name = "accounts/password_reset.html"
    expired_template = "accounts/password_reset_expired.html"
    used_template = "accounts/password_reset_used.html"
    not_valid_template = "accounts/password_reset_not_valid.html"
    done_page = "password-reset-done"

    def save(self, payload: TokenPayload, password: str) -> None:
        services.reset_password(payload=payload, password=password)


@method_decorator(login_not_required, name="dispatch")
class PasswordResetDoneView(TemplateView):
    template_name = "accounts/password_reset_done.html"
