"""Access to the agents' area: an agent, a session verified with the second factor, one permission a page."""

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
    """The signed-in agent. Raises PermissionDenied for other accounts; inactive accounts are already signed out."""
    account = cast(Account, request.user)
    if not account.is_staff:
        raise PermissionDenied
    return account


def is_verified_agent(request: HttpRequest) -> bool:
    """Whether this session was verified with a device of the agent. Raises PermissionDenied."""
    return current_agent(request).is_verified()  # type: ignore[attr-defined,no-any-return]


def second_factor_url_name(request: HttpRequest) -> str:
    """The page that an unverified agent has to pass: verification, or enrolment when there is no device."""
    return "admin:verification" if device_of(current_agent(request)) else "admin:enrolment"


def verify_session(request: HttpRequest, device: TOTPDevice) -> None:
    """Mark the session as verified and renew its key (OWASP: against session fixation)."""
    otp_login(request, device)
    mark_second_factor(request)
    request.session.cycle_key()


class AgentView(View):
    """A page of the agents' area, for verified agents with `permission_required`."""

    permission_required: AgentPermission
    http_method_names = ["get", "head"]

    @property
    def agent(self) -> Account:
        return current_agent(self.request)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Also in `agents.middleware`, before the body is read; a page is closed by itself all the same.
        if refused := refusal(request, self.permission_required):
            return refused
        page = request.resolver_match.view_name if request.resolver_match else None
        log_security_event("authz_admin", outcome="success", account=self.agent.pk, page=page, method=request.method)
        return super().dispatch(request, *args, **kwargs)


def refusal(request: HttpRequest, permission: AgentPermission) -> HttpResponseRedirect | None:
    """The way to the second factor of an agent who has not passed it. Raises PermissionDenied."""
    if not is_verified_agent(request):
        return _redirect_to_second_factor(request)
    if not current_agent(request).has_perm(permission):
        raise PermissionDenied
    return None


def _redirect_to_second_factor(request: HttpRequest) -> HttpResponseRedirect:
    url = reverse(second_factor_url_name(request))
    if request.method not in ("GET", "HEAD"):
        return HttpResponseRedirect(url)
    return HttpResponseRedirect(f"{url}?{urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})}")
