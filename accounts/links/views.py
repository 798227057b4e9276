"""Pages behind mailed links: four outcomes, and the token out of the address bar at once (TOK-06, TOK-09, TOK-10)."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.generic import View

from accounts.links.signed_link import InvalidLink, LinkExpired, LinkUsed, OpenedLink, SignedLink, TokenPayload
from core.rate_limits import BAD_LINKS_PER_CLIENT, current_client

GONE, NOT_FOUND = 410, 404


def link_session_key(link: SignedLink) -> str:
    """Where the session keeps what a link of that purpose said."""
    return f"{link.purpose}-link"


@method_decorator(login_not_required, name="dispatch")
class LinkAddressView(View):
    """The address in the mail: checked, and out of the address bar. Changes nothing (TOK-06)."""

    http_method_names = ["get", "head", "options"]
    link: SignedLink
    #: Name of the page with the button.
    page: str
    not_valid_template: str

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Keep what the token says in the session, never the token (TOK-01), and go to the page."""
        client = current_client()
        BAD_LINKS_PER_CLIENT.check(client)
        try:
            claims = self.link.read(token)
            self.link.check(claims)
        except InvalidLink as refused:
            self.link.log_reuse(refused)
            BAD_LINKS_PER_CLIENT.hit(client)
            return render(request, self.not_valid_template, status=NOT_FOUND)
        except (LinkExpired, LinkUsed) as refused:
            self.link.log_reuse(refused)
        self._leave_open_forms_behind(claims)
        request.session[link_session_key(self.link)] = claims
        request.session.cycle_key()
        return redirect(self.page)

    def _leave_open_forms_behind(self, claims: TokenPayload) -> None:
        """A form that is still open behind somebody else's link, or another change's, does not answer for this one."""
        kept = self.request.session.get(link_session_key(self.link))
        if kept is not None and not claims.has_same_subject(TokenPayload(*kept)):
            rotate_token(self.request)


@method_decorator(login_not_required, name="dispatch")
class LinkPageView(View):
    """The page behind a link: needs no other session than the link's, signs nobody in, checks the link each time."""

    link: SignedLink
    opened: OpenedLink
    expired_template: str
    used_template: str
    not_valid_template: str

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Check the link again before anything is shown or done."""
        try:
            self.opened = self.link.check(self.claims())
            return super().dispatch(request, *args, **kwargs)
        except LinkExpired as expired:
            return render(request, self.expired_template, {"expired_at": expired.deadline}, status=GONE)
        except LinkUsed:
            return render(request, self.used_template, status=GONE)
        except InvalidLink:
            return render(request, self.not_valid_template, status=NOT_FOUND)

    def claims(self) -> TokenPayload:
        """What the link that was opened in this session says. Raises LinkNotValid when there was none."""
        kept = self.request.session.get(link_session_key(self.link))
        if kept is None:
            raise InvalidLink
        return TokenPayload(*kept)
