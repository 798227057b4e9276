"""The charter after the activation: accepted again when it has changed, and read again at any time."""

from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic import FormView, TemplateView, View

from accounts.models import Account
from accounts.views.redirects import NextPageMixin
from activation.charter.gate import clear_charter_due
from activation.forms import CharterForm
from activation.models import Charter, CharterAcceptance
from activation.services import accept_charter
from mailrouting.models import Redirection


class CharterPage(View):
    """A page about the charter of the person who is signed in; open before the charter is accepted."""

    open_without_charter = True

    @property
    def person(self) -> Account:
        return cast(Account, self.request.user)

    @cached_property
    def acceptances(self) -> list[CharterAcceptance]:
        return list(CharterAcceptance.objects.filter(account=self.person).latest_first())

    @cached_property
    def due(self) -> Charter | None:
        """The version in force, while the person has not accepted it."""
        in_force = Charter.objects.published().first()
        accepted = {acceptance.charter_id for acceptance in self.acceptances}
        return None if in_force is None or in_force.pk in accepted else in_force

    @cached_property
    def forwards_mail(self) -> bool:
        # The page offers to stop a forwarding that an intruder may have set.
        chosen = Redirection.objects.filter(account=self.person).exclude(target="")
        return self.person.has_mailbox_right and chosen.exists()

    def shown_again(self, acceptance: CharterAcceptance) -> HttpResponse:
        context = {
            "account": self.person,
            "acceptance": acceptance,
            "others": [other for other in self.acceptances if other != acceptance],
            "is_latest": acceptance == self.acceptances[0],
            "is_due": self.due is not None,
        }
        return render(self.request, "activation/charter_accepted.html", context)


class AccountCharterView(CharterPage, NextPageMixin, FormView):
    """The version in force: to be accepted, or to be read again once it is."""

    http_method_names = ["get", "head", "post"]
    form_class = CharterForm
    template_name = "activation/charter_due.html"
    next_page = "account"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.due is not None:
            return super().get(request, *args, **kwargs)
        if not self.acceptances:
            raise Http404
        return self.shown_again(self.acceptances[0])

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.go_on() if self.due is None else super().post(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "charter": self.due}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        accepted_before = self.acceptances[0] if self.acceptances else None
        return super().get_context_data(**kwargs, accepted_before=accepted_before, forwards_mail=self.forwards_mail)

    def form_valid(self, form: CharterForm) -> HttpResponse:
        accept_charter(account=self.person, charter=form.cleaned_data["charter"])
        messages.success(self.request, _("Vous avez accepté la charte informatique."))
        return self.go_on()

    def go_on(self) -> HttpResponse:
        clear_charter_due(self.request)
        return redirect(self.get_success_url())


class AcceptedCharterView(CharterPage):
    """A version that the person accepted, the earlier ones too."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, version: str) -> HttpResponse:
        for acceptance in self.acceptances:
            if acceptance.charter.version == version:
                return self.shown_again(acceptance)
        raise Http404


class CharterNotAcceptedView(CharterPage, TemplateView):
    """What follows when one does not accept a new charter: nothing is lost."""

    http_method_names = ["get", "head"]
    template_name = "activation/charter_due_refused.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.due is None:
            return redirect("account-charter")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, account=self.person, forwards_mail=self.forwards_mail)
