"""Change of the recovery address: request, confirmation, report by the account owner."""

from datetime import timedelta
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.generic import FormView, TemplateView, View

from accounts.forms import RecoveryAddressForm
from accounts.links.account_links import not_me_link, recovery_address_link
from accounts.links.views import NOT_FOUND, LinkAddressView, LinkPageView
from accounts.models import Account, RecoveryAddressChange
from accounts.recovery import changes
from accounts.recovery.changes import SameAddress, last_recovery_verification
from accounts.recovery.mail_quota import MailQuotaExceeded
from accounts.services import AccountNotActive
from accounts.views.reauthentication import ConfirmedFormMixin
from core.templatetags.dates import hour
from journal.models import JournalEntry
from outbox.deadlines import end_of_next_day


def quota_message(refused: MailQuotaExceeded) -> str:
    text = _("Nous avons déjà envoyé un e-mail à cette adresse. Vous pourrez en demander un autre à %(hour)s.")
    return text % {"hour": hour(refused.retry_at + timedelta(seconds=59))}


def verification_status(change: RecoveryAddressChange) -> dict[str, Any]:
    """The state of the last verification mail, for the template."""
    mail = last_recovery_verification(change)
    deadline = (mail and mail.deadline) or end_of_next_day(timezone.now())
    return {
        "mail_deadline": deadline,
        "has_expired": deadline < timezone.now(),
        "undelivered": mail is not None and mail.could_not_be_delivered,
        "last_sent_at": mail and mail.created_at,
    }


class RecoveryAddressView(ConfirmedFormMixin, FormView):
    """The present address stays until the new one is confirmed."""

    http_method_names = ["get", "head", "post"]
    form_class = RecoveryAddressForm
    template_name = "accounts/recovery_address.html"
    open_without_charter = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        change = RecoveryAddressChange.objects.waiting().filter(account=self.account).first()
        context = super().get_context_data(**kwargs, account=self.account, change=change)
        return context | verification_status(change) if change is not None else context

    def confirmed(self, form: RecoveryAddressForm) -> HttpResponse:
        address = form.cleaned_data["address"]
        try:
            changes.request_recovery_change(account=self.account, address=address)
        except MailQuotaExceeded as refused:
            form.add_error("address", quota_message(refused))
            return self.form_invalid(form)
        except SameAddress:
            form.refuse_present_address()
            return self.form_invalid(form)
        except AccountNotActive:
            return redirect("locked-help")
        text = _(
            "Nous venons d’envoyer un e-mail à %(address)s. "
            "Votre adresse actuelle reste en place tant que vous n’avez pas confirmé la nouvelle."
        )
        messages.success(self.request, text % {"address": address})
        return redirect("account-recovery")


class RecoveryVerificationRequestView(View):
    http_method_names = ["post"]
    open_without_charter = True

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            changes.resend_recovery_verification(account=cast(Account, request.user))
        except MailQuotaExceeded as refused:
            messages.warning(request, quota_message(refused))
        except (RecoveryAddressChange.DoesNotExist, AccountNotActive):
            messages.info(request, _("Aucune adresse n’attend de vérification."))
        else:
            messages.success(request, _("Nous venons d’envoyer un nouvel e-mail."))
        return redirect("account-recovery")


class RecoveryChangeCancelView(View):
    http_method_names = ["post"]
    open_without_charter = True

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            changes.cancel_recovery_change(account=cast(Account, request.user))
        except AccountNotActive:
            return redirect("locked-help")
        messages.success(request, _("Votre adresse de secours reste inchangée."))
        return redirect("account")


class RecoveryAddressLinkView(LinkAddressView):
    link = recovery_address_link
    page = "recovery-address"
    not_valid_template = "accounts/recovery_not_valid.html"


class RecoveryAddressConfirmView(LinkPageView):
    """Confirm the new address. Shows no account data: a mistyped address may belong to another person."""

    http_method_names = ["get", "head", "post"]
    link = recovery_address_link
    expired_template = "accounts/recovery_expired.html"
    used_template = "accounts/recovery_already_confirmed.html"
    not_valid_template = "accounts/recovery_not_valid.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        change = RecoveryAddressChange.objects.get(pk=self.opened.subject_id)
        context = {"address": change.new_address, "deadline": self.opened.deadline}
        return render(request, "accounts/recovery_confirm.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        change_id, fingerprint = self.opened.subject_id, self.opened.fingerprint
        try:
            changes.confirm_recovery_change(change_id=change_id, fingerprint=fingerprint)
        except AccountNotActive:
            return render(request, self.not_valid_template, status=NOT_FOUND)
        return render(request, "accounts/recovery_confirmed.html")


class NotMeLinkView(LinkAddressView):
    link = not_me_link
    page = "not-me"
    not_valid_template = "accounts/unauthorized_change_not_valid.html"


class NotMeView(LinkPageView):
    """Report a change: a button restores the former address and locks the account."""

    http_method_names = ["get", "head", "post"]
    link = not_me_link
    expired_template = "accounts/unauthorized_change_expired.html"
    used_template = "accounts/unauthorized_change_reported.html"
    not_valid_template = "accounts/unauthorized_change_not_valid.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return render(
            request, "accounts/unauthorized_change.html", {"entry": self.entry(), "deadline": self.opened.deadline}
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        changes.report_unauthorized_change(entry=self.entry())
        request.session.flush()
        return redirect("not-me-done")

    def entry(self) -> JournalEntry:
        return JournalEntry.objects.get(pk=self.opened.subject_id)


@method_decorator(login_not_required, name="dispatch")
class NotMeDoneView(TemplateView):
    template_name = "accounts/unauthorized_change_reported.html"
