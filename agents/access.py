"""Who may enter the agents' area (ADM-01, ADM-02), what each page needs, and whom an agent may act on (ADM-05)."""

from typing import Any, cast
from urllib.parse import urlencode

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.views.generic import View
from django_otp import login as otp_login
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.auth.sessions import mark_second_factor
from accounts.models import Account
from accounts.permissions import AgentPermission
from agents.second_factor.services import device_of
from core.security_log import log_security_event


def current_agent(request: HttpRequest) -> Account:
    """Whoever is asking; raises PermissionDenied unless they are an agent (an account that is not active is signed out
    by then)."""
    account = cast(Account, request.user)
    if not account.is_staff:
        raise PermissionDenied
    return account


def is_verified_agent(request: HttpRequest) -> bool:
    """Whether this very session was verified with the agent's own device."""
    return current_agent(request).is_verified()  # type: ignore[attr-defined,no-any-return]


def second_factor_url_name(request: HttpRequest) -> str:
    """The page that an agent has to go through first: give a code, or enrol an application."""
    return "admin:verification" if device_of(current_agent(request)) else "admin:enrolment"


def verify_session(request: HttpRequest, device: TOTPDevice) -> None:
    """Let the agent in, in this session, under a new key (SES-01)."""
    otp_login(request, device)
    mark_second_factor(request)
    request.session.cycle_key()


class AgentView(View):
    """A page of the agents' area. Each says which `ability` it needs; a test walks them all."""

    ability: AgentPermission
    http_method_names = ["get", "head"]

    @property
    def agent(self) -> Account:
        """Whoever is asking."""
        return current_agent(self.request)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page to verified agents with the ability; lead the others to their code, or refuse."""
        if not is_verified_agent(request):
            return _first(request)
        if not self.agent.has_perm(self.ability.permission):
            raise PermissionDenied
        page = request.resolver_match.view_name if request.resolver_match else None
        log_security_event("authz_admin", outcome="success", account=self.agent.pk, page=page, method=request.method)
        return super().dispatch(request, *args, **kwargs)


def _first(request: HttpRequest) -> HttpResponseRedirect:
    before = reverse(second_factor_url_name(request))
    if request.method not in ("GET", "HEAD"):
        return HttpResponseRedirect(before)
    return HttpResponseRedirect(f"{before}?{urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})}")
