"""What signed-in sessions go through."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from accounts.auth import sessions
from core.security_log import log_security_event

SERVICE_UNAVAILABLE = 503
GetResponse = Callable[[HttpRequest], HttpResponse]


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's, but a session that was ended from elsewhere while the answer was made is no fault of who asked."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Give the answer as it is, and no cookie: the next request begins anew (SES-05). Nothing is saved where the
        database has just failed: nobody waits for it twice (AVL-08).
        """
        if response.status_code == SERVICE_UNAVAILABLE:
            return response
        try:
            return super().process_response(request, response)
        except SessionInterrupted:
            patch_vary_headers(response, ("Cookie",))
            return response


class SessionLimitsMiddleware:
    """End the sessions that waited or lasted too long, and say so kindly (SES-04, A11Y-06)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer as to somebody anonymous once the session is over."""
        if sessions.is_expired(request):
            log_security_event("session_expired", outcome="success", account=request.user.pk)
            request.session.flush()
            request.user = AnonymousUser()
            messages.info(request, _("Votre session est terminée, pour votre sécurité. Connectez-vous pour continuer."))
        else:
            sessions.record_activity(request)
        return self.get_response(request)
