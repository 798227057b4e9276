"""The charter after the activation: accepted again when it has changed, and read again at any time (PRV-01)."""

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
        """Whose charter it is."""
        return cast(Account, self.request.user)

    @cached_property
    def acceptances(self) -> list[CharterAcceptance]:
        """What the person has accepted; nobody else's proof is looked at (ADM-01)."""
        return list(CharterAcceptance.objects.filter(account=self.person).latest_first())

    @cached_property
    def due(self) -> Charter | None:
        """The version in force, while the person has not accepted it."""
        in_force = Charter.objects.published().first()
        accepted = {acceptance.charter_id for acceptance in self.acceptances}
        return None if in_force is None or in_force.pk in accepted else in_force

    @cached_property
    def forwards_mail(self) -> bool:
        """Whether mail goes elsewhere: an intruder may have seen to that, and has to be stopped at once."""
        chosen = Redirection.objects.filter(account=self.person).exclude(target="")
        return self.person.has_mailbox_right and chosen.exists()

    def shown_again(self, acceptance: CharterAcceptance) -> HttpResponse:
        """The text exactly as it was accepted, with its proof, and the way to the other versions."""
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
        """Ask, or show what was accepted."""
        if self.due is not None:
            return super().get(request, *args, **kwargs)
        if not self.acceptances:
            raise Http404
        return self.shown_again(self.acceptances[0])

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Accept; a second tab or device finds it done."""
        return self.go_on() if self.due is None else super().post(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        """The version in force, compared with the one that was on the page."""
        return {**super().get_form_kwargs(), "charter": self.due}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Also what was accepted before."""
        accepted_before = self.acceptances[0] if self.acceptances else None
        return super().get_context_data(**kwargs, accepted_before=accepted_before, forwards_mail=self.forwards_mail)

    def form_valid(self, form: CharterForm) -> HttpResponse:
        """Record the proof and open the account."""
        accept_charter(account=self.person, charter=form.cleaned_data["charter"])
        messages.success(self.request, _("Vous avez accepté la charte informatique."))
        return self.go_on()

    def go_on(self) -> HttpResponse:
        """To the page that was asked for, or to the account."""
        clear_charter_due(self.request)
        return redirect(self.get_success_url())


class AcceptedCharterView(CharterPage):
    """A version that the person accepted, the earlier ones too."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, version: str) -> HttpResponse:
        """Show it; a version that they never accepted does not exist for them."""
        for acceptance in self.acceptances:
            if acceptance.charter.version == version:
                return self.shown_again(acceptance)
        raise Http404


class CharterNotAcceptedView(CharterPage, TemplateView):
    """What follows when one does not accept a new charter: nothing is lost."""

    http_method_names = ["get", "head"]
    template_name = "activation/charter_due_refused.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Say so, while there is something to accept."""
        if self.due is None:
            return redirect("account-charter")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Whose account goes on."""
        return super().get_context_data(**kwargs, account=self.person, forwards_mail=self.forwards_mail)
