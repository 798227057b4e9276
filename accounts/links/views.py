"""Pages behind a mailed link: the token leaves the URL at once; the page checks its payload on each request."""

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
    return f"{link.purpose}-link"


def read_token(link: SignedLink, token: str) -> TokenPayload:
    """Raises InvalidLink, and RateLimitExceeded after too many from this client. A signed link opens all the same:
    others may share the address.
    """
    try:
        return link.read(token)
    except InvalidLink:
        BAD_LINKS_PER_CLIENT.hit(current_client())
        raise


@method_decorator(login_not_required, name="dispatch")
class LinkAddressView(View):
    """The URL in the mail. Writes nothing but the session: scanners of mail software open links too."""

    http_method_names = ["get", "head", "options"]
    link: SignedLink
    #: URL name of the LinkPageView.
    page: str
    not_valid_template: str

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        try:
            payload = read_token(self.link, token)
            self.link.check(payload)
        except InvalidLink as refused:
            self.link.log_reuse(refused)
            return render(request, self.not_valid_template, status=NOT_FOUND)
        except (LinkExpired, LinkUsed) as refused:
            # The page says so.
            self.link.log_reuse(refused)
        self._invalidate_forms_of_another_link(payload)
        request.session[link_session_key(self.link)] = payload
        request.session.cycle_key()
        return redirect(self.page)

    def _invalidate_forms_of_another_link(self, payload: TokenPayload) -> None:
        """A form left open behind the link of another account or subject must not be applied to this one."""
        kept = self.request.session.get(link_session_key(self.link))
        if kept is not None and not payload.has_same_subject(TokenPayload(*kept)):
            rotate_token(self.request)


@method_decorator(login_not_required, name="dispatch")
class LinkPageView(View):
    """The page with the form. Needs no login and opens no session."""

    link: SignedLink
    opened: OpenedLink
    expired_template: str
    used_template: str
    not_valid_template: str

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            self.opened = self.link.check(self.payload())
            return super().dispatch(request, *args, **kwargs)
        except LinkExpired as expired:
            return render(request, self.expired_template, {"expired_at": expired.deadline}, status=GONE)
        except LinkUsed:
            return render(request, self.used_template, status=GONE)
        except InvalidLink:
            return render(request, self.not_valid_template, status=NOT_FOUND)

    def payload(self) -> TokenPayload:
        """The payload of the link opened in this session. Raises InvalidLink when there is none."""
        kept = self.request.session.get(link_session_key(self.link))
        if kept is None:
            raise InvalidLink
        return TokenPayload(*kept)
