"""The public pages of a request for assistance."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, TemplateView

from accounts.views.login import rate_limited
from assistance import services
from assistance.forms import AssistanceForm
from assistance.models import AssistanceRequest
from assistance.references import random_reference
from core.rate_limits import ASSISTANCE_REQUESTS, RateLimitExceeded
from core.templatetags.dates import past_datetime

#: What the session keeps for the page after sending.
SENT_SESSION_KEY = "assistance_sent"


@method_decorator([login_not_required, sensitive_post_parameters()], name="dispatch")
class AssistanceView(FormView):
    """The form. The response is the same for every account, whatever the visitor knows about it."""

    http_method_names = ["get", "head", "post"]
    form_class = AssistanceForm
    template_name = "assistance/form.html"

    def form_valid(self, form: AssistanceForm) -> HttpResponse:
        try:
            request = self.created_request(form)
        except RateLimitExceeded as exceeded:
            return self.rate_limit_exceeded(form, exceeded.retry_after)
        self.request.session[SENT_SESSION_KEY] = {
            "reference": request.reference,
            "contact_address": form.cleaned_data["contact_address"],
            "call_expected_by": request.call_expected_by.timestamp(),
        }
        return redirect("assistance-sent")

    def created_request(self, form: AssistanceForm) -> AssistanceRequest:
        if self.request.POST.get("website"):
            # A robot has filled in the honeypot: it gets the same page, and nothing is saved or counted.
            return AssistanceRequest(reference=random_reference())
        ASSISTANCE_REQUESTS.hit()
        return services.create_request(**form.cleaned_data)

    def rate_limit_exceeded(self, form: AssistanceForm, retry_after: int) -> HttpResponse:
        """The form with what was typed, and when to retry."""
        # Rounded up: the page shows minutes.
        again = timezone.now() + timedelta(seconds=retry_after + 59)
        message = _(
            "Trop de demandes depuis votre réseau. Vous pourrez réessayer le %(moment)s\N{NO-BREAK SPACE}: "
            "gardez cette page ouverte"
        )
        form.add_error(None, ValidationError(message, code="too-many", params={"moment": past_datetime(again)}))
        return rate_limited(self.form_invalid(form), retry_after)


@method_decorator(login_not_required, name="dispatch")
class AssistanceSentView(TemplateView):
    """The reference and the promise, from the session; without one, a link to the form."""

    http_method_names = ["get", "head"]
    template_name = "assistance/sent.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        sent = self.request.session.get(SENT_SESSION_KEY)
        if sent is None:
            return super().get_context_data(**kwargs, sent=None)
        call_expected_by = datetime.fromtimestamp(sent["call_expected_by"], tz=UTC)
        return super().get_context_data(**kwargs, sent=sent, call_expected_by=call_expected_by)
