"""Verification of the session, and enrolment of a device: for agents whose session is not verified yet."""

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

from accounts.views.login import rate_limited
from accounts.views.redirects import NextPageMixin
from agents import access
from agents.models import BackupCode
from agents.second_factor.codes import canonical_code, is_totp_token
from agents.second_factor.forms import BackupCodeForm, CodeForm, EnrolmentForm, FirstCodeForm, VerificationForm
from agents.second_factor.services import EnrolledDevice, EnrolmentNotStarted, device_of, unconfirmed_device

DEVICE_SESSION_KEY = "agent_enrolment"
BACKUP_CODE_PARAMETER = "secours"


@method_decorator(sensitive_post_parameters("code"), name="dispatch")
class CodeFormView(FormView):
    """A form with one code."""

    http_method_names = ["get", "head", "post"]

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "account": access.current_agent(self.request)}

    def form_invalid(self, form: CodeForm) -> HttpResponse:
        return rate_limited(super().form_invalid(form), form.retry_after)


class VerificationView(NextPageMixin, CodeFormView):
    """Verifies the session with a TOTP token or a backup code."""

    template_name = "agents/verification.html"
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if access.is_verified_agent(request):
            return redirect(self.get_success_url())
        url_name = access.second_factor_url_name(request)
        return super().dispatch(request, *args, **kwargs) if url_name == "admin:verification" else redirect(url_name)

    @property
    def asks_for_backup_code(self) -> bool:
        return BACKUP_CODE_PARAMETER in self.request.GET

    def get_form_class(self) -> type[Form]:
        return BackupCodeForm if self.asks_for_backup_code else VerificationForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, next=self.get_redirect_url(), on_paper=self.asks_for_backup_code)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        access.verify_session(self.request, form.result)
        if not is_totp_token(canonical_code(form.cleaned_data["code"])):
            left = BackupCode.objects.unused().filter(device=form.result).count()
            messages.warning(self.request, f"Codes de secours encore bons\N{NO-BREAK SPACE}: {left} sur 10.")
        return redirect(self.get_success_url())


class EnrolmentView(CodeFormView):
    """Asks for the enrolment code of a first device: a stolen password alone enrols none."""

    form_class = EnrolmentForm
    template_name = "agents/enrolment.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if device_of(access.current_agent(request)) is not None:
            return redirect("admin:device")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        return redirect_to_confirmation(self.request, form.result)


class DeviceConfirmationView(CodeFormView):
    """Shows the QR code of an unconfirmed device and asks for its first token."""

    form_class = FirstCodeForm
    template_name = "agents/device_qr_code.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            self.device = unconfirmed_device(
                account=access.current_agent(request), device_id=request.session.get(DEVICE_SESSION_KEY)
            )
            return super().dispatch(request, *args, **kwargs)
        except EnrolmentNotStarted:
            return redirect(
                access.second_factor_url_name(request) if not access.is_verified_agent(request) else "admin:device"
            )

    def get_form_kwargs(self) -> dict[str, Any]:
        return {
            **super().get_form_kwargs(),
            "device_id": self.device.pk,
            "keep": self.request.session.session_key,
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, qr_code=qr_code(self.device), secret=grouped_secret(self.device))

    def form_valid(self, form: CodeForm) -> HttpResponse:
        enrolled: EnrolledDevice = form.result
        del self.request.session[DEVICE_SESSION_KEY]
        access.verify_session(self.request, enrolled.device)
        return render_backup_codes(self, enrolled.backup_codes)


def redirect_to_confirmation(request: HttpRequest, device: TOTPDevice) -> HttpResponse:
    """Allow this session to confirm the device, and redirect to the page that does."""
    request.session[DEVICE_SESSION_KEY] = device.pk
    return redirect("admin:application")


def render_backup_codes(view: FormView, codes: list[str]) -> HttpResponse:
    """The codes in answer to the POST: a page with its own URL could be opened again."""
    account = access.current_agent(view.request)
    context = {"view": view, "codes": codes, "account": account, "as_text": "\r\n".join(codes)}
    return view.response_class(view.request, ["agents/backup_codes.html"], context)


def qr_code(device: TOTPDevice) -> SafeString:
    """An inline SVG, black on white in dark mode too: some applications cannot read it otherwise."""
    code = segno.make(device.config_url, error="m", micro=False)
    # Squares drawn by the library: the SVG holds no user input.
    drawing = code.svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None)
    return mark_safe(drawing)  # noqa: S308


def grouped_secret(device: TOTPDevice) -> str:
    """The secret in Base32 (RFC 4648), in groups of four characters, to be typed."""
    letters = base64.b32encode(device.bin_key).decode()
    return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))
