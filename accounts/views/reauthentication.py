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
    """For a FormView with a `ConfirmedForm`, which asks for the password unless it was given a few minutes ago."""

    # mypy does not see the view that this is mixed into, so `super()` lacks its methods (misc, no-any-return).
    request: HttpRequest

    @property
    def account(self) -> Account:
        account: Account = self.request.user  # type: ignore[assignment]
        return account

    @method_decorator(sensitive_post_parameters())
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc,no-any-return]

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs = super().get_form_kwargs()  # type: ignore[misc]
        return {**kwargs, "account": self.account, "confirmed": password_is_confirmed(self.request)}

    def form_valid(self, form: Form) -> HttpResponse:
        if "current_password" in form.cleaned_data:
            confirm_password(self.request)
        return self.confirmed(form)

    def confirmed(self, form: Any) -> HttpResponse:
        """Called instead of `form_valid`, once the password is confirmed."""
        raise NotImplementedError

    def form_invalid(self, form: ConfirmedForm) -> HttpResponse:
        # A correct password need not be typed again while other fields are corrected.
        if "current_password" in form.cleaned_data:
            confirm_password(self.request)
            del form.fields["current_password"]
        return rate_limited(super().form_invalid(form), form.retry_after)  # type: ignore[misc]
