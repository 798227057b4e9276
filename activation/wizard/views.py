"""The pages of the wizard, from the link in the mail to the confirmation."""

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, View

from accounts.links.signed_link import InvalidLink, LinkExpired, LinkUsed
from accounts.links.views import read_token
from accounts.models import Account
from activation import services
from activation.links import activation_link
from activation.querysets import account_with_facts
from activation.wizard import session as wizard_session
from activation.wizard.session import MissingSession, StaleSession, WizardSession
from activation.wizard.steps import CHARTER_STEP, LINK_NUMBER, Step, Wizard, confirmation_number
from mailrouting.views import proof_of, request_verification

GONE, NOT_FOUND = 410, 404


@method_decorator(login_not_required, name="dispatch")
class ActivationLinkView(View):
    """The link in the mail: moves its token from the URL into the session. Changes nothing else."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        try:
            wizard_session.start_session(request, activation_link.check(read_token(activation_link, token)))
        except LinkExpired as refused:
            wizard_session.remember_refusal(
                request, why="expired", account_id=refused.account_id, deadline=refused.deadline.timestamp()
            )
        except LinkUsed as refused:
            activation_link.log_reuse(refused)
            wizard_session.remember_refusal(request, why="used")
        except InvalidLink as refused:
            activation_link.log_reuse(refused)
            return render(request, "activation/link_not_valid.html", status=NOT_FOUND)
        return redirect("activation")


class WizardView(View):
    """A page that needs a wizard session; says so when it is missing or stale."""

    session: WizardSession
    account: Account
    wizard: Wizard

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_post = request.method == "POST"
        try:
            self.session = wizard_session.current_session(request)
            # A POST locks the account until the response, so that two tabs take turns. A GET has one query: a
            # transaction would add two round trips to the database.
            with transaction.atomic() if is_post else nullcontext():
                load = wizard_session.lock_session_account if is_post else wizard_session.session_account
                self.account = load(self.session)
                self.wizard = Wizard(self.account)
                response = super().dispatch(request, *args, **kwargs)
        except StaleSession as stale:
            wizard_session.skip_session_save(request)
            return self.stale_session(request, stale.account)
        except MissingSession:
            wizard_session.skip_session_save(request)
            return self.missing_session(request)
        return cast(HttpResponse, response)

    def stale_session(self, request: HttpRequest, account: Account) -> HttpResponse:
        template = (
            "activation/link_used.html"
            if account.activated_at and not account.is_locked
            else "activation/session_lost.html"
        )
        return render(request, template, status=GONE)

    def missing_session(self, request: HttpRequest) -> HttpResponse:
        has_finished = wizard_session.finished_account_id(request) is not None
        template = "activation/link_used.html" if has_finished else "activation/session_lost.html"
        return render(request, template, status=GONE)

    def wizard_context(self, number: int) -> dict[str, Any]:
        """The context of `activation/wizard_base.html` on page `number`."""
        return {
            **progress_context(self.wizard, number),
            "account": self.account,
            "deadline": self.session.link_expires_at,
            "idle_seconds": settings.WIZARD_IDLE_SECONDS,
            "idle_url": reverse("activation-keep-alive"),
        }


def progress_context(wizard: Wizard, number: int) -> dict[str, Any]:
    progress = wizard.progress(number)
    return {"steps": progress, "current_step": progress[number - 1]}


@method_decorator(login_not_required, name="dispatch")
class WelcomeView(WizardView):
    """Page 1: whose account, which steps, until when. Also where a refused link leads."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        refusal = wizard_session.refusal(request)
        if refusal is not None:
            return self.refused(request, refusal)
        if wizard_session.finished_account_id(request) is not None:
            return redirect("activation-done")
        return super().dispatch(request, *args, **kwargs)

    def refused(self, request: HttpRequest, refusal: dict[str, Any]) -> HttpResponse:
        if refusal["why"] == "used":
            return render(request, "activation/link_used.html", status=GONE)
        expired_at = datetime.fromtimestamp(refusal["deadline"], tz=UTC)
        return render(request, "activation/link_expired.html", {"expired_at": expired_at}, status=GONE)

    def get(self, request: HttpRequest) -> HttpResponse:
        first_open = self.wizard.first_open
        if self.session.begun:
            return redirect(first_open.url_name)
        context = {**self.wizard_context(LINK_NUMBER), "first_open": first_open, "resumes": bool(self.wizard.done)}
        return render(request, "activation/welcome.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        services.start_activation(account=self.account)
        wizard_session.mark_begun(request, self.session)
        return redirect(self.wizard.first_open.url_name)


@method_decorator([login_not_required, sensitive_post_parameters("password", "password2")], name="dispatch")
class StepView(WizardView, FormView):
    """The page of any step: one form, one service, then the first open step."""

    http_method_names = ["get", "head", "post"]
    step: Step = CHARTER_STEP

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.redirect_elsewhere() or super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.redirect_elsewhere() or super().post(request, *args, **kwargs)

    def redirect_elsewhere(self) -> HttpResponseRedirect | None:
        """The redirect when an earlier step is still open, None when this one may be shown."""
        if not self.session.begun:
            return redirect("activation")
        if self.step in self.wizard.steps and self.wizard.may_open(self.step):
            return None
        return redirect(self.wizard.first_open.url_name)

    def get_template_names(self) -> list[str]:
        return [self.step.template_name]

    def get_form_class(self) -> type[Form]:
        return self.step.form_class

    def get_initial(self) -> dict[str, Any]:
        return self.step.initial(self.account)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), **self.step.form_kwargs(self.account)}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **kwargs,
            **self.wizard_context(self.step.number),
            **self.step.context(self.account),
            previous=self.wizard.previous(self.step),
        )

    def form_valid(self, form: Form) -> HttpResponse:
        self.step.save(self.account, form.cleaned_data)
        account = cast(Account, account_with_facts(self.account.pk))
        if account.activated_at is not None:
            wizard_session.finish(self.request, account)
            return redirect("activation-done")
        return redirect(Wizard(account).first_open.url_name)


class VerificationStepView(StepView):
    """Waits for the forwarding address to be confirmed; `?verifie` is the button "I have confirmed"."""

    def redirect_elsewhere(self) -> HttpResponseRedirect | None:
        return super().redirect_elsewhere() or self.redirect_once_verified()

    def redirect_once_verified(self) -> HttpResponseRedirect | None:
        if "verifie" in self.request.GET and not self.account.redirection.is_waiting:
            return redirect(self.wizard.first_open.url_name)
        return None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        redirection = self.account.redirection
        return super().get_context_data(
            **kwargs,
            **proof_of(redirection),
            redirection=redirection,
            asked="verifie" in self.request.GET,
        )


@method_decorator(login_not_required, name="dispatch")
class VerificationResendView(WizardView):
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        redirection = getattr(self.account, "redirection", None)
        if redirection is None or not redirection.is_waiting:
            return redirect(self.wizard.first_open.url_name)
        request_verification(request, self.account)
        return redirect("activation-verification")


@method_decorator(login_not_required, name="dispatch")
class VerificationStateView(WizardView):
    """Polled by the verification page."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> JsonResponse:
        redirection = getattr(self.account, "redirection", None)
        return JsonResponse({"verified": redirection is not None and not redirection.is_waiting})


@method_decorator(login_not_required, name="dispatch")
class WizardKeepAliveView(WizardView):
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        # Reading the session has extended it.
        return HttpResponse(status=204)


@method_decorator(login_not_required, name="dispatch")
class WrongRecipientView(WizardView):
    """The reader of the mail says that it is not for them."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "activation/wrong_recipient.html", {"account": self.account})

    def post(self, request: HttpRequest) -> HttpResponse:
        services.dispute_recovery_address(account=self.account)
        request.session.flush()
        return render(request, "activation/wrong_recipient_reported.html")


@method_decorator(login_not_required, name="dispatch")
class CharterRefusedView(WizardView):
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "activation/charter_refused.html", self.wizard_context(CHARTER_STEP.number))


@method_decorator(login_not_required, name="dispatch")
class DoneView(View):
    """The last page, for a while after the activation; later it leads to the login page."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        account_id = wizard_session.finished_account_id(request)
        if account_id is None:
            messages.info(request, _("Si votre activation est terminée, connectez-vous."))
            return redirect("login")
        account = Account.objects.select_related("redirection", "mailbox").get(pk=account_id)
        context = {
            **progress_context(Wizard(account), confirmation_number()),
            "account": account,
            "consent": account.directory_consents.order_by("-decided_at").first(),
            "redirection": getattr(account, "redirection", None),
        }
        return render(request, "activation/done.html", context)
