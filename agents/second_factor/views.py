"""The way into the agents' area: give a code, or enrol an application first (ADM-02 to ADM-04)."""

import base64
from typing import Any

import segno
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Account
from accounts.views.login import rate_limited
from accounts.views.redirects import NextPageMixin
from agents import access
from agents.models import BackupCode
from agents.second_factor.codes import canonical_code, is_of_an_application
from agents.second_factor.forms import BackupCodeForm, CodeForm, EnrolmentForm, FirstCodeForm, VerificationForm
from agents.second_factor.services import Enrolled, EnrolmentNotStarted, device_of, device_to_enrol

ENROLLING = "agent_enrolment"
ON_PAPER = "secours"


@method_decorator(sensitive_post_parameters("code"), name="dispatch")
class CodeFormView(FormView):
    """A form with one code."""

    http_method_names = ["get", "head", "post"]

    def get_form_kwargs(self) -> dict[str, Any]:
        """Whose code it is."""
        return {**super().get_form_kwargs(), "account": access.current_agent(self.request)}

    def form_invalid(self, form: CodeForm) -> HttpResponse:
        """Say no, and for how long."""
        return rate_limited(super().form_invalid(form), form.retry_after)


class VerificationView(NextPageMixin, CodeFormView):
    """« Code de vérification », once in each session."""

    template_name = "agents/verification.html"
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Only for agents who have an application and are not inside yet."""
        if access.is_verified_agent(request):
            return redirect(self.get_success_url())
        before = access.second_factor_url_name(request)
        return super().dispatch(request, *args, **kwargs) if before == "admin:verification" else redirect(before)

    def get_form_class(self) -> type[Form]:
        """Six digits, or a code on paper for whoever asks."""
        return BackupCodeForm if ON_PAPER in self.request.GET else VerificationForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Where to go afterwards, and which of the two codes is asked for."""
        return super().get_context_data(**kwargs, next=self.get_redirect_url(), on_paper=ON_PAPER in self.request.GET)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        """Let the agent in."""
        access.verify_session(self.request, form.granted)
        if not is_of_an_application(canonical_code(form.cleaned_data["code"])):
            left = BackupCode.objects.unused().filter(device=form.granted).count()
            messages.warning(self.request, f"Codes de secours encore bons\N{NO-BREAK SPACE}: {left} sur 10.")
        return redirect(self.get_success_url())


class EnrolmentView(CodeFormView):
    """The code that allows a first application: a stolen password alone enrols nothing (ADM-03)."""

    form_class = EnrolmentForm
    template_name = "agents/enrolment.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Only for agents who have no application."""
        if device_of(access.current_agent(request)) is not None:
            return redirect("admin:device")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        """Go on to the QR code."""
        return begin(self.request, form.granted)


class ApplicationView(CodeFormView):
    """The QR code of a new application, and its first code."""

    form_class = FirstCodeForm
    template_name = "agents/device_qr_code.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Begin again when the enrolment is none any more."""
        try:
            self.device = device_to_enrol(
                account=access.current_agent(request), device_id=request.session.get(ENROLLING)
            )
            return super().dispatch(request, *args, **kwargs)
        except EnrolmentNotStarted:
            return redirect(
                access.second_factor_url_name(request) if not access.is_verified_agent(request) else "admin:device"
            )

    def get_form_kwargs(self) -> dict[str, Any]:
        """Which application, and which session goes on."""
        return {
            **super().get_form_kwargs(),
            "device_id": self.device.pk,
            "keep": self.request.session.session_key,
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the application has to know, as a picture and to be typed."""
        return super().get_context_data(**kwargs, qr_code=qr_code(self.device), secret=secret_of(self.device))

    def form_valid(self, form: CodeForm) -> HttpResponse:
        """Let the agent in, and show the backup codes: here, once, and never again."""
        enrolled: Enrolled = form.granted
        del self.request.session[ENROLLING]
        access.verify_session(self.request, enrolled.device)
        return backup_codes_page(self, enrolled.backup_codes)


def begin(request: HttpRequest, device: TOTPDevice) -> HttpResponse:
    """Go on to the QR code of an application that this session may enrol."""
    request.session[ENROLLING] = device.pk
    return redirect("admin:application")


def backup_codes_page(view: FormView, codes: list[str]) -> HttpResponse:
    """The page that shows backup codes; not at an address of its own, so that it cannot be opened again."""
    account: Account = access.current_agent(view.request)
    context = {"view": view, "codes": codes, "account": account, "as_text": "\r\n".join(codes)}
    return view.response_class(view.request, ["agents/backup_codes.html"], context)


def qr_code(device: TOTPDevice) -> SafeString:
    """The picture that an application reads; black on white in dark mode too, or some cannot."""
    code = segno.make(device.config_url, error="m", micro=False)
    # Made of squares by the library; nothing that somebody typed is in it.
    drawing = code.svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None)
    return mark_safe(drawing)  # noqa: S308


def secret_of(device: TOTPDevice) -> str:
    """The same, to be typed: groups of four letters and digits."""
    letters = base64.b32encode(device.bin_key).decode()
    return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))
