"""The pages behind the link that unsubscribes from reminders. They show no account data: the reader may be wrong."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.generic import TemplateView

from accounts.links.views import LinkAddressView, LinkPageView
from activation.links import reminders_link
from activation.reminders.services import stop_reminders


class RemindersLinkView(LinkAddressView):
    link = reminders_link
    page = "reminders"
    not_valid_template = "activation/reminders_not_valid.html"


class RemindersView(LinkPageView):
    http_method_names = ["get", "head", "post"]
    link = reminders_link
    expired_template = "activation/reminders_expired.html"
    used_template = "activation/reminders_stopped.html"
    not_valid_template = "activation/reminders_not_valid.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "activation/reminders_stop.html")

    def post(self, request: HttpRequest) -> HttpResponse:
        stop_reminders(account=self.opened.account)
        request.session.flush()
        return redirect("reminders-stopped")


@method_decorator(login_not_required, name="dispatch")
class RemindersStoppedView(TemplateView):
    template_name = "activation/reminders_stopped.html"
