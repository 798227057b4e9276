"""Acts that an open session alone does not allow: an intruder at an agent's unlocked computer has no code."""

from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from accounts.auth.sessions import code_is_confirmed, confirm_code
from accounts.views.login import rate_limited
from agents import access
from agents.second_factor.forms import ConfirmedByCodeForm


class ConfirmedByCodeMixin:
    """For a FormView of agents with a `ConfirmedByCodeForm`."""

    # mypy does not see the view that this is mixed into, so `super()` lacks its methods (misc, no-any-return).
    request: HttpRequest

    @method_decorator(sensitive_post_parameters("code"))
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc,no-any-return]

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs = super().get_form_kwargs()  # type: ignore[misc]
        agent = access.current_agent(self.request)
        return {**kwargs, "account": agent, "code_is_confirmed": code_is_confirmed(self.request)}

    def form_valid(self, form: Form) -> HttpResponse:
        if "code" in form.cleaned_data:
            confirm_code(self.request)
        return self.confirmed(form)

    def confirmed(self, form: Any) -> HttpResponse:
        """Called instead of `form_valid`, once a code is confirmed."""
        raise NotImplementedError

    def form_invalid(self, form: ConfirmedByCodeForm) -> HttpResponse:
        # A code serves once: it need not be typed again while other fields are corrected.
        if "code" in form.cleaned_data:
            confirm_code(self.request)
            del form.fields["code"]
        return rate_limited(super().form_invalid(form), form.retry_after)  # type: ignore[misc]
