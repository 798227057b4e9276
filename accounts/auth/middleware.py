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
    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Two differences from Django.

        A session that was ended during the request gives no 400: the response goes out without a cookie, and the next
        request is anonymous. After a database failure nothing is saved, which would wait for the database again.
        """
        if response.status_code == SERVICE_UNAVAILABLE:
            return response
        try:
            return super().process_response(request, response)
        except SessionInterrupted:
            patch_vary_headers(response, ("Cookie",))
            return response


class SessionLimitsMiddleware:
    """Ends sessions at their idle or absolute limit, with a message; records the activity of the others."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if sessions.is_expired(request):
            log_security_event("session_expired", outcome="success", account=request.user.pk)
            request.session.flush()
            request.user = AnonymousUser()
            messages.info(request, _("Votre session est terminée, pour votre sécurité. Connectez-vous pour continuer."))
        else:
            sessions.record_activity(request)
        return self.get_response(request)
