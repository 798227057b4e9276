"""The pages behind « Ne plus recevoir ces rappels »: no sign-in, and a button that does it."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.generic import TemplateView

from accounts.links.views import LinkAddressView, LinkPageView
from activation.links import reminders_link
from activation.reminders.services import stop_reminders


class RemindersLinkView(LinkAddressView):
    """The address in the mail."""

    link = reminders_link
    page = "reminders"
    not_valid_template = "activation/reminders_not_valid.html"


class RemindersView(LinkPageView):
    """Say what stops; the account can be activated all the same."""

    http_method_names = ["get", "head", "post"]
    link = reminders_link
    expired_template = "activation/reminders_expired.html"
    used_template = "activation/reminders_stopped.html"
    not_valid_template = "activation/reminders_not_valid.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask; the page names nobody, for the mailbox may be somebody else's."""
        return render(request, "activation/reminders_stop.html")

    def post(self, request: HttpRequest) -> HttpResponse:
        """Write no more."""
        stop_reminders(account=self.opened.account)
        request.session.flush()
        return redirect("reminders-stopped")


@method_decorator(login_not_required, name="dispatch")
class RemindersStoppedView(TemplateView):
    """It is done, and how to activate the account later."""

    template_name = "activation/reminders_stopped.html"
