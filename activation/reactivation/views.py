"""The pages behind a reactivation link."""

from django.contrib.auth.decorators import login_not_required
from django.utils.decorators import method_decorator
from django.views.generic import TemplateView

from accounts.links.signed_link import TokenPayload
from accounts.links.views import LinkAddressView
from accounts.views.password import NewPasswordView
from activation.enums import LinkRequestKind
from activation.first_connection.views import NewLinkBehindLinkView
from activation.links import reactivation_link
from activation.reactivation.services import reactivate


class ReactivationLinkView(LinkAddressView):
    link = reactivation_link
    page = "reactivation"
    not_valid_template = "activation/reactivation_not_valid.html"


class ReactivationView(NewPasswordView):
    link = reactivation_link
    template_name = "activation/reactivation.html"
    expired_template = "activation/reactivation_expired.html"
    used_template = "activation/reactivation_used.html"
    not_valid_template = "activation/reactivation_not_valid.html"
    done_page = "reactivation-done"

    def save(self, payload: TokenPayload, password: str) -> None:
        reactivate(payload=payload, password=password)


@method_decorator(login_not_required, name="dispatch")
class ReactivationDoneView(TemplateView):
    template_name = "activation/reactivation_done.html"


class NewReactivationLinkView(NewLinkBehindLinkView):
    link = reactivation_link
    wish = LinkRequestKind.FIRST_CONNECTION
    form_page, answer_page = "first-connection", "first-connection-answer"
