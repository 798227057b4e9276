"""Changing a password, and choosing a new one when it is forgotten."""

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
    """Note in the log that a password stays as it is, and which field was refused (LOG-01)."""
    fields = " ".join(form.errors)
    log_security_event("authn_password_change_fail", outcome="failure", account=form.account.pk, fields=fields)


@method_decorator(sensitive_post_parameters("current_password", "password", "password2"), name="dispatch")
class ChangePasswordView(FormView):
    """The present password and the new one; takes effect at once, everywhere."""

    http_method_names = ["get", "head", "post"]
    form_class = ChangePasswordForm
    template_name = "accounts/password.html"
    open_without_charter = True

    def get_form_kwargs(self) -> dict[str, Any]:
        """Whose password it is."""
        return {**super().get_form_kwargs(), "account": self.request.user}

    def form_valid(self, form: ChangePasswordForm) -> HttpResponse:
        """Change it; this browser goes on, the others sign in again."""
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
        """Say what is wrong, or from when to try again."""
        log_password_refusal(form)
        return rate_limited(super().form_invalid(form), form.retry_after)


class WellKnownChangePasswordView(RedirectView):
    """Where password managers look for the page (W3C, "A Well-Known URL for Changing Passwords")."""

    pattern_name = "account-password"
    open_without_charter = True
    http_method_names = ["get", "head"]


class PasswordResetLinkView(LinkAddressView):
    """The address in the mail."""

    link = password_reset_link
    page = "password-reset"
    not_valid_template = "accounts/password_reset_not_valid.html"


@method_decorator(sensitive_post_parameters("password", "password2"), name="dispatch")
class NewPasswordView(LinkPageView):
    """Choose a new password behind a link; ends on a page that says where to sign in (PWD-06)."""

    http_method_names = ["get", "head", "post"]
    template_name: str
    done_page: str

    def save(self, claims: TokenPayload, password: str) -> None:
        """Give the account its new password through one service."""
        raise NotImplementedError

    def get(self, request: HttpRequest) -> HttpResponse:
        """The question."""
        return self.shown(NewPasswordForm(account=self.opened.account))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Take the answer."""
        form = NewPasswordForm(request.POST, account=self.opened.account)
        if not form.is_valid():
            log_password_refusal(form)
            return self.shown(form)
        self.save(self.claims(), form.cleaned_data["password"])
        return redirect(self.done_page)

    def shown(self, form: NewPasswordForm) -> HttpResponse:
        """The page with its form."""
        context = {"form": form, "account": self.opened.account, "deadline": self.opened.deadline}
        return render(self.request, self.template_name, context)


class PasswordResetView(NewPasswordView):
    """Another password for whoever forgot theirs."""

    link = password_reset_link
    template_name = "accounts/password_reset.html"
    expired_template = "accounts/password_reset_expired.html"
    used_template = "accounts/password_reset_used.html"
    not_valid_template = "accounts/password_reset_not_valid.html"
    done_page = "password-reset-done"

    def save(self, claims: TokenPayload, password: str) -> None:
        """Replace the forgotten one."""
        services.reset_password(claims=claims, password=password)


@method_decorator(login_not_required, name="dispatch")
class PasswordResetDoneView(TemplateView):
    """What to do now."""

    template_name = "accounts/password_reset_done.html"
