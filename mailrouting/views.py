"""Pages of the link that proves a forwarding address. They show no account data: the mailbox may be somebody else's."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.generic import View

from accounts.limits import BAD_LINKS_PER_CLIENT, this_client
from accounts.models import Account
from accounts.tokens import Claims, LinkExpired, LinkNotValid, LinkRefused, OpenedLink
from accounts.views import without_referrer
from mailrouting.models import Redirection
from mailrouting.services import MailLimitReached, ask_for_verification_again, verify_redirection
from mailrouting.tokens import redirection_link
from outbox.templatetags.moments import hour

SESSION_ITEM = "redirection_link"
GONE, NOT_FOUND = 410, 404


def request_verification(request: HttpRequest, account: Account) -> None:
    """Have the verification mailed again, and say so, or from when it can be asked for."""
    try:
        ask_for_verification_again(account=account)
    except MailLimitReached as too_early:
        text = _("Un e-mail est déjà parti vers cette adresse. Vous pourrez en demander un autre à %(hour)s.")
        messages.warning(request, text % {"hour": hour(too_early.retry_at)})
    except Redirection.DoesNotExist:
        messages.info(request, _("Aucune adresse n’attend de vérification."))
    else:
        messages.success(request, _("Un nouvel e-mail vient de partir."))


class VerificationRequestView(View):
    """From the account's own page: send the verification again."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask for the mail and go back."""
        request_verification(request, cast(Account, request.user))
        return redirect("account")


@method_decorator(login_not_required, name="dispatch")
class RedirectionLinkView(View):
    """The address in the mail: checked, and out of the address bar. Changes nothing (TOK-06)."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Keep what the token says in the session, never the token (TOK-01), and go to the page with the button."""
        client = this_client()
        BAD_LINKS_PER_CLIENT.check(client)
        try:
            claims = redirection_link.read(token)
            redirection_link.check(claims)
        except LinkExpired:
            pass
        except LinkRefused:
            BAD_LINKS_PER_CLIENT.hit(client)
            return without_referrer(render(request, "mailrouting/not_valid.html", status=NOT_FOUND))
        request.session[SESSION_ITEM] = claims
        return without_referrer(redirect("redirection"))


@method_decorator(login_not_required, name="dispatch")
class RedirectionView(View):
    """Confirm the address with a button; needs no other session than the link's, and signs nobody in."""

    http_method_names = ["get", "head", "post"]
    link: OpenedLink
    redirection: Redirection

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Check the link again before anything is shown or done."""
        try:
            claims = self.claims()
            # Read before the check: what the check vouches for is what was read, or something newer, which `post` sees.
            redirection = Redirection.objects.filter(pk=claims.subject_id, account_id=claims.account_id).first()
            self.link = redirection_link.check(claims)
        except LinkExpired as expired:
            context = {"expired_at": expired.deadline}
            return render(request, "mailrouting/expired.html", context, status=GONE)
        except LinkRefused:
            return self.not_valid()
        if redirection is None:
            return self.not_valid()
        self.redirection = redirection
        return super().dispatch(request, *args, **kwargs)

    def claims(self) -> Claims:
        """What the link that was opened in this session says. Raises LinkNotValid when there was none."""
        kept = self.request.session.get(SESSION_ITEM)
        if kept is None:
            raise LinkNotValid
        return Claims(*kept)

    def not_valid(self) -> HttpResponse:
        """Say what to check."""
        return render(self.request, "mailrouting/not_valid.html", status=NOT_FOUND)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show which address will be confirmed."""
        if not self.redirection.is_waiting:
            return render(request, "mailrouting/verified.html", {"already": True})
        context = {"target": self.redirection.target, "deadline": self.link.deadline}
        return render(request, "mailrouting/verify.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Confirm it, unless another address was chosen this very moment."""
        try:
            done_now = verify_redirection(redirection_id=self.redirection.pk, target=self.redirection.target)
        except Redirection.DoesNotExist:
            return self.not_valid()
        context = {"already": not done_now, "continues": "activation" in request.session}
        return render(request, "mailrouting/verified.html", context)
