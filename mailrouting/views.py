"""Pages of forwarding, and of the link that verifies an address.

The pages of the link show no account data: its reader may not be the account owner.
"""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic import FormView, View

from accounts.forms import ConfirmedForm
from accounts.links.signed_link import InvalidLink, TokenPayload
from accounts.links.views import NOT_FOUND, LinkAddressView, LinkPageView
from accounts.models import Account
from accounts.recovery.mail_quota import MailQuotaExceeded
from accounts.services import AccountNotActive
from accounts.views.reauthentication import ConfirmedFormMixin
from accounts.views.recovery import quota_message
from core.templatetags.dates import hour
from mailrouting.forms import RedirectionForm, answer_of
from mailrouting.links import redirection_link
from mailrouting.models import Redirection
from mailrouting.services import (
    ForwardingNotAllowed,
    change_redirection,
    last_verification_mail,
    next_mail_at,
    resend_verification,
    seconds_until_next_mail,
    stop_redirection,
    verify_redirection,
)
from outbox.deadlines import end_of_next_day


class OwnRedirectionView(ConfirmedFormMixin, FormView):
    """A page of the account owner's forwarding; 404 without a university mailbox."""

    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.is_offered():
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def is_offered(self) -> bool:
        return self.owner.has_mailbox_right and hasattr(self.owner, "mailbox")

    @cached_property
    def owner(self) -> Account:
        owner: Account = Account.objects.select_related("mailbox", "redirection").get(pk=self.account.pk)
        return owner

    @property
    def redirection(self) -> Redirection | None:
        redirection: Redirection | None = getattr(self.owner, "redirection", None)
        return redirection if redirection is not None and redirection.is_wanted else None


class RedirectionChangeView(OwnRedirectionView):
    """What is set, and the form that sets it."""

    form_class = RedirectionForm
    template_name = "mailrouting/redirection.html"

    def is_offered(self) -> bool:
        return settings.FORWARDING_ALLOWED and super().is_offered()

    def get_initial(self) -> dict[str, Any]:
        return answer_of(self.owner, self.redirection)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs, account=self.owner, redirection=self.redirection)
        if self.redirection is not None and self.redirection.is_waiting:
            context |= proof_of(self.redirection)
        return context

    def confirmed(self, form: RedirectionForm) -> HttpResponse:
        target, keep_copy = form.cleaned_data["target"], form.cleaned_data["keep_copy"]
        try:
            redirection = change_redirection(account=self.account, target=target, keep_copy=keep_copy)
        except AccountNotActive:
            return redirect("locked-help")
        redirection_message(self.request, redirection)
        return redirect("account")


class RedirectionStopView(OwnRedirectionView):
    """Stop forwarding, or cancel a pending address. Open without the charter, against an intruder's forwarding."""

    form_class = ConfirmedForm
    template_name = "mailrouting/stop.html"
    open_without_charter = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.redirection is None:
            messages.info(request, _("Vous n’avez pas de redirection."))
            return redirect("account")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, account=self.owner, redirection=self.redirection)

    def confirmed(self, form: ConfirmedForm) -> HttpResponse:
        try:
            stop_redirection(account=self.account)
        except AccountNotActive:
            return redirect("locked-help")
        messages.success(self.request, _("Vos messages n’arrivent plus que dans votre boîte universitaire."))
        return redirect("account")


def proof_of(redirection: Redirection) -> dict[str, Any]:
    """Template context: status and expiry of the last verification mail."""
    mail = last_verification_mail(redirection)
    deadline = (mail and mail.deadline) or end_of_next_day(timezone.now())
    return {
        "mail": mail,
        "mail_deadline": deadline,
        "has_expired": deadline < timezone.now(),
        "undelivered": mail is not None and mail.could_not_be_delivered,
        "wait_seconds": seconds_until_next_mail(mail),
    }


def redirection_message(request: HttpRequest, redirection: Redirection) -> None:
    """Queue the message that says whether forwarding has started."""
    address = {"address": redirection.target}
    if not redirection.is_waiting:
        messages.success(request, _("Vos messages sont maintenant redirigés vers %(address)s.") % address)
    elif last_verification_mail(redirection) is not None:
        text = _(
            "Votre choix est enregistré. La redirection commencera quand vous aurez confirmé l’adresse %(address)s "
            "avec le lien que nous y envoyons."
        )
        messages.success(request, text % address)
    else:
        text = _(
            "Votre choix est enregistré, mais nous avons déjà envoyé plusieurs e-mails de vérification "
            "depuis une heure. Vous pourrez en demander un autre à %(hour)s."
        )
        messages.warning(request, text % {"hour": hour(next_mail_at(redirection))})


def request_verification(request: HttpRequest, account: Account) -> None:
    """Resend the verification mail; the message says so, or when it may be resent."""
    try:
        resend_verification(account=account)
    except MailQuotaExceeded as refused:
        messages.warning(request, quota_message(refused))
    except (Redirection.DoesNotExist, ForwardingNotAllowed, AccountNotActive):
        messages.info(request, _("Aucune adresse n’attend de vérification."))
    else:
        messages.success(request, _("Nous venons d’envoyer un nouvel e-mail."))


class VerificationRequestView(View):
    """From the account's own page: send the verification again."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        request_verification(request, cast(Account, request.user))
        return redirect("account")


class RedirectionLinkView(LinkAddressView):
    """The address in the mail."""

    link = redirection_link
    page = "redirection"
    not_valid_template = "mailrouting/not_valid.html"


class RedirectionView(LinkPageView):
    """Verify the address by POST; needs the link only and logs no user in."""

    http_method_names = ["get", "head", "post"]
    link = redirection_link
    expired_template = "mailrouting/expired.html"
    used_template = not_valid_template = "mailrouting/not_valid.html"
    redirection: Redirection

    def payload(self) -> TokenPayload:
        # Read before the link is checked: a later change makes the check, or `post`, fail.
        payload = super().payload()
        redirection = Redirection.objects.filter(pk=payload.subject_id, account_id=payload.account_id).first()
        if redirection is None:
            raise InvalidLink
        self.redirection = redirection
        return payload

    def get(self, request: HttpRequest) -> HttpResponse:
        if not self.redirection.is_waiting:
            return render(request, "mailrouting/verified.html", {"already": True})
        context = {"target": self.redirection.target, "deadline": self.opened.deadline}
        return render(request, "mailrouting/verify.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            done_now = verify_redirection(redirection_id=self.redirection.pk, target=self.redirection.target)
        except (Redirection.DoesNotExist, AccountNotActive):
            return render(request, self.not_valid_template, status=NOT_FOUND)
        context = {"already": not done_now, "continues": "activation" in request.session}
        return render(request, "mailrouting/verified.html", context)
