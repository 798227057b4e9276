"""Forms about something sensitive."""

from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from accounts.auth.sessions import confirm_password, password_is_confirmed
from accounts.forms import ConfirmedForm
from accounts.models import Account
from accounts.views.login import rate_limited


class ConfirmedFormMixin:
    """For a FormView with a `ConfirmedForm`: asks for the password unless it was given a moment ago (SES-08)."""

    request: HttpRequest

    @property
    def account(self) -> Account:
        """Whoever is signed in."""
        account: Account = self.request.user  # type: ignore[assignment]
        return account

    @method_decorator(sensitive_post_parameters())
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer; nothing that is typed here reaches an error report (PWD-08)."""
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc,no-any-return]

    def get_form_kwargs(self) -> dict[str, Any]:
        """Whose form it is, and whether the password was given lately."""
        kwargs = super().get_form_kwargs()  # type: ignore[misc]
        return {**kwargs, "account": self.account, "confirmed": password_is_confirmed(self.request)}

    def form_valid(self, form: Form) -> HttpResponse:
        """Note that the password was right, if it was asked for."""
        if "current_password" in form.cleaned_data:
            confirm_password(self.request)
        return self.confirmed(form)

    def confirmed(self, form: Any) -> HttpResponse:
        """What to do with a good form of somebody who gave the password."""
        raise NotImplementedError

    def form_invalid(self, form: ConfirmedForm) -> HttpResponse:
        """Show what is wrong; a right password need not be typed again for the rest to be corrected."""
        if "current_password" in form.cleaned_data:
            confirm_password(self.request)
            del form.fields["current_password"]
        return rate_limited(super().form_invalid(form), form.retry_after)  # type: ignore[misc]
