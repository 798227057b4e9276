"""Pages of the activation. A view reads the request and answers; what it does is a service's."""

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
from django.views.generic import FormView, TemplateView, View

from accounts.links.base import InvalidLink, LinkExpired, LinkUsed, SignedLink, TokenPayload
from accounts.links.links import password_reset_link
from accounts.links.views import session_item
from accounts.models import Account
from activation import querysets as progress
from activation import services
from activation.enums import LinkRequestKind
from activation.forms import FirstConnectionForm
from activation.links import activation_link
from activation.wizard import session as visit
from activation.wizard.steps import STEPS, Step, Wizard
from core.rate_limits import BAD_LINKS_PER_CLIENT, LINK_REQUESTS_IN_ALL, LINK_REQUESTS_PER_CLIENT, current_client
from mailrouting.views import proof_of, request_verification

GONE, NOT_FOUND = 410, 404


@method_decorator(login_not_required, name="dispatch")
class ActivationLinkView(View):
    """The address in the mail: checked, put into the session, out of the address bar. Changes nothing (TOK-06)."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Go to the page that says what the link opens, or why it does not."""
        BAD_LINKS_PER_CLIENT.check(current_client())
        try:
            visit.start_session(request, activation_link.open(token))
        except LinkExpired as refused:
            visit.remember_refusal(
                request, why="expired", account_id=refused.account_id, deadline=refused.deadline.timestamp()
            )
        except LinkUsed as refused:
            activation_link.tell_of_reuse(refused)
            visit.remember_refusal(request, why="used")
        except InvalidLink as refused:
            activation_link.tell_of_reuse(refused)
            BAD_LINKS_PER_CLIENT.hit(current_client())
            return render(request, "activation/link_not_valid.html", status=NOT_FOUND)
        return redirect("activation")


class WizardView(View):
    """A page inside the journey of the session: reads whose it is, and what to say when it is nobody's any more."""

    visit: visit.WizardSession
    account: Account
    journey: Wizard

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer inside the journey. A POST holds the account until it is answered, so that two tabs take turns."""
        try:
            self.visit = visit.current_session(request)
            # One question needs no transaction, and two more journeys to the database.
            with transaction.atomic() if request.method == "POST" else nullcontext():
                self.account = visit.session_account(self.visit, hold=request.method == "POST")
                self.journey = Wizard(self.account)
                response = super().dispatch(request, *args, **kwargs)
        except visit.StaleSession as overtaken:
            visit.skip_session_save(request)
            return self.overtaken(request, overtaken.account)
        except visit.MissingSession:
            visit.skip_session_save(request)
            return self.lost(request)
        return cast(HttpResponse, response)

    def overtaken(self, request: HttpRequest, account: Account) -> HttpResponse:
        """The account has changed meanwhile: activated elsewhere, or the link has died."""
        template = "activation/link_used.html" if account.activated_at and not account.is_locked else "activation/session_lost.html"
        return render(request, template, status=GONE)

    def lost(self, request: HttpRequest) -> HttpResponse:
        """Nobody's journey: how to take it up again; right after its end, that it has ended."""
        has_finished = visit.finished_account_id(request) is not None
        template = "activation/link_used.html" if has_finished else "activation/session_lost.html"
        return render(request, template, status=GONE)

    def wizard_context(self, number: int) -> dict[str, Any]:
        """What the frame of every step shows."""
        marks = self.journey.marks(number)
        return {
            "steps": marks,
            "current_step": marks[number - 1],
            "account": self.account,
            "deadline": self.visit.ends,
            "idle_seconds": settings.WIZARD_IDLE_SECONDS,
            "idle_url": reverse("activation-keep-alive"),
        }


@method_decorator(login_not_required, name="dispatch")
class WelcomeView(WizardView):
    """Step 1: who one is, what comes, until when. The button begins; also the page of a refused link."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Say first why the last link was refused, if it was."""
        refusal = visit.refusal(request)
        if refusal is not None:
            return self.refused(request, refusal)
        if visit.finished_account_id(request) is not None:
            return redirect("activation-done")
        return super().dispatch(request, *args, **kwargs)

    def refused(self, request: HttpRequest, refusal: dict[str, Any]) -> HttpResponse:
        """Expired or used: each its page, without name or address (TOK-10)."""
        if refusal["why"] == "used":
            return render(request, "activation/link_used.html", status=GONE)
        expired_at = datetime.fromtimestamp(refusal["deadline"], tz=UTC)
        return render(request, "activation/link_expired.html", {"expired_at": expired_at}, status=GONE)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show what will happen, or go on where the person stopped."""
        first_open = self.journey.first_open
        if self.visit.begun:
            return redirect(first_open.url_name)
        context = {**self.wizard_context(1), "first_open": first_open, "resumes": bool(self.journey.done)}
        return render(request, "activation/welcome.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Begin."""
        services.start_activation(account=self.account)
        visit.begin(request, self.visit)
        return redirect(self.journey.first_open.url_name)


@method_decorator([login_not_required, sensitive_post_parameters("password", "password2")], name="dispatch")
class StepView(WizardView, FormView):
    """Any step: one form, one service, then the first step that is still open."""

    http_method_names = ["get", "head", "post"]
    step: Step

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Find the step of this address."""
        self.step = next(step for step in STEPS if step.slug == kwargs["slug"])
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the step, unless one before it is open (SES-02)."""
        return self.elsewhere() or super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Record the answer, unless one before it is missing."""
        return self.elsewhere() or super().post(request, *args, **kwargs)

    def elsewhere(self) -> HttpResponseRedirect | None:
        """Where to go when this step may not be opened now."""
        if not self.visit.begun:
            return redirect("activation")
        if self.step in self.journey.steps and self.journey.may_open(self.step):
            return None
        return redirect(self.journey.first_open.url_name)

    def get_template_names(self) -> list[str]:
        """The page of the step."""
        return [self.step.template_name]

    def get_form_class(self) -> type[Form]:
        """The form of the step."""
        return self.step.form_class

    def get_initial(self) -> dict[str, Any]:
        """The answer given before."""
        return self.step.initial(self.account)

    def get_form_kwargs(self) -> dict[str, Any]:
        """What the form of the step has to know."""
        return {**super().get_form_kwargs(), **self.step.form_arguments(self.account)}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The step, the list of steps, and what the step itself says."""
        return super().get_context_data(
            **kwargs,
            **self.wizard_context(self.step.number),
            **self.step.context(self.account),
            previous=self.journey.before(self.step),
        )

    def form_valid(self, form: Form) -> HttpResponse:
        """Record, then go to the first open step, read anew."""
        self.step.save(self.account, form.cleaned_data)
        account = cast(Account, progress.of(self.account.pk))
        if account.activated_at is not None:
            visit.finish(self.request, account)
            return redirect("activation-done")
        return redirect(Wizard(account).first_open.url_name)


class MailboxVerificationView(StepView):
    """Step 5: waiting for the click in the mail; blocks nothing (FWD-03)."""

    def elsewhere(self) -> HttpResponseRedirect | None:
        """Also: on to the next step, when the person says they have confirmed and they have."""
        return super().elsewhere() or self.confirmed()

    def confirmed(self) -> HttpResponseRedirect | None:
        """The way on, once it was asked for and the address is proven."""
        if "verifie" in self.request.GET and not self.account.redirection.is_waiting:
            return redirect(self.journey.first_open.url_name)
        return None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Where the mail went, when, what became of it."""
        redirection = self.account.redirection
        return super().get_context_data(
            **kwargs,
            **proof_of(redirection),
            redirection=redirection,
            asked="verifie" in self.request.GET,
        )


@method_decorator(login_not_required, name="dispatch")
class VerificationResendView(WizardView):
    """Send the verification again."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask for the mail, or say from when it can be asked for."""
        redirection = getattr(self.account, "redirection", None)
        if redirection is None or not redirection.is_waiting:
            return redirect(self.journey.first_open.url_name)
        request_verification(request, self.account)
        return redirect("activation-verification")


@method_decorator(login_not_required, name="dispatch")
class VerificationStateView(WizardView):
    """Says to the waiting page whether the address has been confirmed."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> JsonResponse:
        """`{"verified": true}` once it is."""
        redirection = getattr(self.account, "redirection", None)
        return JsonResponse({"verified": redirection is not None and not redirection.is_waiting})


@method_decorator(login_not_required, name="dispatch")
class WizardKeepAliveView(WizardView):
    """ "Continuer": the person is still there."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Reading the visit has noted it."""
        return HttpResponse(status=204)


@method_decorator(login_not_required, name="dispatch")
class WrongRecipientView(WizardView):
    """Whoever reads this mail says that it is not theirs."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Say what will happen."""
        return render(request, "activation/wrong_recipient.html", {"account": self.account})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Stop writing to this address, and let the journey die with its link."""
        services.dispute_recovery_address(account=self.account)
        request.session.flush()
        return render(request, "activation/wrong_recipient_reported.html")


@method_decorator(login_not_required, name="dispatch")
class CharterRefusedView(WizardView):
    """What it means not to accept the charter: nothing is lost, nothing is activated."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Say so, and until when one may change one's mind."""
        return render(request, "activation/charter_refused.html", self.wizard_context(2))


@method_decorator(login_not_required, name="dispatch")
class DoneView(View):
    """Step 7: what now works, what to do next."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it for a while after the end; later it is the sign-in page's turn."""
        account_id = visit.finished_account_id(request)
        if account_id is None:
            messages.info(request, _("Si votre activation est terminée, connectez-vous."))
            return redirect("login")
        account = Account.objects.select_related("redirection", "mailbox").get(pk=account_id)
        context = self.context(account)
        return render(request, "activation/done.html", context)

    def context(self, account: Account) -> dict[str, Any]:
        """The choices made, and the list of steps all done."""
        marks = Wizard(account).marks(7)
        consent = account.directory_consents.order_by("-decided_at").first()
        redirection = getattr(account, "redirection", None)
        return {
            "account": account,
            "consent": consent,
            "redirection": redirection,
            "steps": marks,
            "current_step": marks[6],
        }


@method_decorator(login_not_required, name="dispatch")
class NewLinkView(View):
    """One button on the page of an expired link: no typing, and the mail goes to the address on file only."""

    http_method_names = ["post"]
    wish: LinkRequestKind
    form_page: str
    answer_page: str

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask for a link for whoever the expired link named, and answer as the form does."""
        LINK_REQUESTS_PER_CLIENT.hit(current_client())
        LINK_REQUESTS_IN_ALL.hit()
        account = Account.objects.filter(pk=self.account_id(request)).first()
        if account is None:
            return redirect(self.form_page)
        services.request_link(login=account.login, wish=self.wish)
        return redirect(self.answer_page)

    def account_id(self, request: HttpRequest) -> object:
        """Whom the link that was opened here named; None when there was none."""
        raise NotImplementedError


class NewActivationLinkView(NewLinkView):
    """Another activation link."""

    wish = LinkRequestKind.FIRST_CONNECTION
    form_page, answer_page = "first-connection", "first-connection-answer"

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask for it, and leave the journey that was refused."""
        response = super().post(request)
        request.session.flush()
        return response

    def account_id(self, request: HttpRequest) -> object:
        """Kept when the link was refused."""
        return (visit.refusal(request) or {}).get("account_id")


class NewLinkBehindLinkView(NewLinkView):
    """Another link of the purpose of the one that was opened here."""

    link: SignedLink

    def account_id(self, request: HttpRequest) -> object:
        """Kept since the link was opened; we had signed it."""
        claims = request.session.get(session_item(self.link))
        return TokenPayload(*claims).account_id if claims else None


class NewPasswordResetLinkView(NewLinkBehindLinkView):
    """Another link to choose a password."""

    link = password_reset_link
    wish = LinkRequestKind.FORGOTTEN_PASSWORD
    form_page, answer_page = "forgotten-password", "forgotten-password-answer"


@method_decorator(login_not_required, name="dispatch")
class LinkRequestView(FormView):
    """Type the institutional address, get a link at the recovery address; the same answer for everybody (ENU-01)."""

    http_method_names = ["get", "head", "post"]
    form_class = FirstConnectionForm
    wish: LinkRequestKind
    answer_page: str

    def form_valid(self, form: FirstConnectionForm) -> HttpResponse:
        """Ask for a link, unless a robot filled in the field that nobody sees (ENU-08)."""
        LINK_REQUESTS_PER_CLIENT.hit(current_client())
        LINK_REQUESTS_IN_ALL.hit()
        if not self.request.POST.get("website"):
            services.request_link(login=form.cleaned_data["login"], wish=self.wish)
        self.request.session["login_asked"] = form.cleaned_data["login"]
        return redirect(self.answer_page)


class FirstConnectionView(LinkRequestView):
    """ "1ère connexion"."""

    template_name = "activation/first_connection.html"
    wish = LinkRequestKind.FIRST_CONNECTION
    answer_page = "first-connection-answer"


class ForgottenPasswordView(LinkRequestView):
    """ "Mot de passe oublié"."""

    template_name = "activation/forgotten_password.html"
    wish = LinkRequestKind.FORGOTTEN_PASSWORD
    answer_page = "forgotten-password-answer"


@method_decorator(login_not_required, name="dispatch")
class LinkRequestAnswerView(TemplateView):
    """ "Regardez vos e-mails": the one answer."""

    template_name = "activation/link_requested.html"
    form_page = ""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What was typed, to be checked by its author."""
        login = self.request.session.get("login_asked")
        return super().get_context_data(**kwargs, login=login, form_page=self.form_page)
