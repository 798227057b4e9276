"""Pages of the reactivation: what is on file, then another password (design §3)."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import TemplateView

from accounts.forms import NewPasswordForm
from accounts.tokens import Claims
from accounts.views.links import LinkAddressView, LinkPageView, session_item
from activation import reactivation
from activation.enums import Wish
from activation.tokens import reactivation_link
from activation.views import NewLinkView


class ReactivationLinkView(LinkAddressView):
    """The address in the mail."""

    link = reactivation_link
    page = "reactivation"
    not_valid_template = "activation/reactivation_not_valid.html"


@method_decorator(sensitive_post_parameters("password", "password2"), name="dispatch")
class ReactivationView(LinkPageView):
    """Review the recovery address and the redirection, choose a password; ends on a page that says where to sign in."""

    http_method_names = ["get", "head", "post"]
    link = reactivation_link
    expired_template = "activation/reactivation_expired.html"
    used_template = "activation/reactivation_used.html"
    not_valid_template = "activation/reactivation_not_valid.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """What is on file, and the question."""
        return self.page(NewPasswordForm(account=self.opened.account))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Take the answer."""
        form = NewPasswordForm(request.POST, account=self.opened.account)
        if not form.is_valid():
            return self.page(form)
        reactivation.reactivate(claims=self.claims(), password=form.cleaned_data["password"])
        return redirect("reactivation-done")

    def page(self, form: NewPasswordForm) -> HttpResponse:
        """The page with its form."""
        context = {"form": form, "account": self.opened.account, "deadline": self.opened.deadline}
        return render(self.request, "activation/reactivation.html", context)


@method_decorator(login_not_required, name="dispatch")
class ReactivationDoneView(TemplateView):
    """What to do now."""

    template_name = "activation/reactivation_done.html"


class NewReactivationLinkView(NewLinkView):
    """Another reactivation link. Somebody locked again gets the mail that says so."""

    wish = Wish.FIRST_CONNECTION
    form_page, answer_page = "first-connection", "first-connection-answer"

    def account_id(self, request: HttpRequest) -> object:
        """Kept since the link was opened; we had signed it."""
        claims = request.session.get(session_item(reactivation_link))
        return Claims(*claims).account_id if claims else None
