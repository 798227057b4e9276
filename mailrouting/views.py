"""Pages of the link that proves a forwarding address. They show no account data: the mailbox may be somebody else's."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.generic import View

from accounts.limits import BAD_LINKS_PER_CLIENT, client_key
from accounts.origin import current_origin
from accounts.tokens import LinkExpired, LinkRefused, OpenedLink
from mailrouting.models import Redirection
from mailrouting.services import verify_redirection
from mailrouting.tokens import redirection_link

SESSION_ITEM = "redirection_link"
GONE, NOT_FOUND = 410, 404


def without_referrer(response: HttpResponse) -> HttpResponse:
    """Let no address of a page behind a mailed link travel (TOK-09)."""
    response["Referrer-Policy"] = "no-referrer"
    return response


@method_decorator(login_not_required, name="dispatch")
class RedirectionLinkView(View):
    """The address in the mail: checked, and out of the address bar. Changes nothing (TOK-06)."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Keep the token in the session and go to the page with the button."""
        client = client_key(current_origin().client_address)
        BAD_LINKS_PER_CLIENT.check(client)
        try:
            redirection_link.open(token)
        except LinkExpired:
            pass
        except LinkRefused:
            BAD_LINKS_PER_CLIENT.hit(client)
            return without_referrer(render(request, "mailrouting/not_valid.html", status=NOT_FOUND))
        request.session[SESSION_ITEM] = token
        return without_referrer(redirect("redirection"))


@method_decorator(login_not_required, name="dispatch")
class RedirectionView(View):
    """Confirm the address with a button; needs no other session than the link's, and signs nobody in."""

    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check the link again before anything is shown or done."""
        try:
            link = redirection_link.open(request.session.get(SESSION_ITEM, ""))
        except LinkExpired as expired:
            context = {"expired_at": expired.deadline}
            return render(request, "mailrouting/expired.html", context, status=GONE)
        except LinkRefused:
            return render(request, "mailrouting/not_valid.html", status=NOT_FOUND)
        answer = self.post if request.method == "POST" else self.get
        return answer(request, link)

    def get(self, request: HttpRequest, link: OpenedLink) -> HttpResponse:
        """Show which address will be confirmed."""
        redirection = Redirection.objects.get(pk=link.subject_id)
        if not redirection.is_waiting:
            return render(request, "mailrouting/verified.html", {"already": True})
        return render(request, "mailrouting/verify.html", {"target": redirection.target, "deadline": link.deadline})

    def post(self, request: HttpRequest, link: OpenedLink) -> HttpResponse:
        """Confirm it."""
        redirection = Redirection.objects.get(pk=link.subject_id)
        done_now = verify_redirection(redirection_id=redirection.pk, target=redirection.target)
        context = {"already": not done_now, "continues": "activation" in request.session}
        return render(request, "mailrouting/verified.html", context)
