"""Actions of agents on an account: lock, unlock, restore the recovery address, resend a link."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.generic import FormView

from accounts.enums import State
from accounts.locking.lock import AlreadyLocked, lock_as_agent
from accounts.locking.unlock import (
    AddressNotRestorable,
    ChangesNotReviewed,
    NoRecoveryAddress,
    NotLocked,
    ReportTooShort,
    UnlockNotAllowed,
    UnlockNotProven,
    UnlockRefused,
    changes_to_review,
    restorable_addresses,
    restore_address,
)
from accounts.models import Account, Lock
from accounts.permissions import AgentPermission, require_may_act_on
from accounts.recovery.corrections import open_correction
from accounts.recovery.mail_quota import MailQuotaExceeded
from activation.email_previews import preview_of_release
from activation.resend import NoAddressForLink, NothingToResend, last_link, resend_link
from agents import audit
from agents.access import AgentView
from agents.accounts.forms import LockForm, ResendForm, RestoreAddressForm, UnlockForm
from agents.journal.entries import FormattedEntry, format_entries
from agents.journal.formatting import name_of
from agents.templatetags.agents import masked
from assistance.models import AssistanceRequest
from assistance.solved import open_requests_of, unlock_and_close
from core.templatetags.dates import hour, past_datetime, past_datetime_short
from core.text import has_forbidden_character
from journal.events import Event
from journal.models import JournalEntry
from outbox.deadlines import end_of_next_day

FROM_REQUEST = "demande"
#: Events that change the recovery address.
ADDRESS_EVENTS = (Event.RECOVERY_ADDRESS_CHANGED, Event.RECOVERY_ADDRESS_CORRECTED, Event.RECOVERY_ADDRESS_RESTORED)
#: The form field, if the refusal is about one, and the sentence.
REFUSAL_MESSAGES: dict[type[UnlockRefused], tuple[str | None, str]] = {
    UnlockNotAllowed: (None, "Votre rôle ne permet plus de débloquer ce compte"),
    UnlockNotProven: (
        "proof",
        "Cette preuve ne suffit pas\N{NO-BREAK SPACE}: les RH ne connaissent plus de numéro à rappeler",
    ),
    ReportTooShort: ("report", "Écrivez un compte rendu de 10\N{NO-BREAK SPACE}caractères au moins"),
    NoRecoveryAddress: (
        None,
        "Aucune adresse de secours où envoyer le lien\N{NO-BREAK SPACE}: faites-la d’abord corriger",
    ),
    AddressNotRestorable: ("change", "Ce changement ne peut pas, ou plus, être annulé ici"),
}
CHANGED_MEANWHILE = "Un changement est arrivé entre-temps\N{NO-BREAK SPACE}: vérifiez-le aussi"


class AccountActionView(AgentView, FormView):
    """`?demande=` names the assistance request that led the agent here."""

    http_method_names = ["get", "head", "post"]
    success_message = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        audit.record_account_opened(account=self.account, actor=self.agent)
        return super().get(request, *args, **kwargs)

    @cached_property
    def account(self) -> Account:
        account = self.current_account()
        require_may_act_on(self.agent, account)
        return account

    def current_account(self) -> Account:
        account: Account = get_object_or_404(Account.objects.with_lock(), pk=self.kwargs["pk"])
        return account

    @cached_property
    def led_by(self) -> AssistanceRequest | None:
        reference = self.request.GET.get(FROM_REQUEST, "")
        if not reference:
            return None
        if has_forbidden_character(reference):
            raise Http404
        return get_object_or_404(AssistanceRequest, reference=reference, account=self.account)

    @property
    def details(self) -> dict[str, Any]:
        return {"request": self.led_by.pk, "reference": self.led_by.reference} if self.led_by else {}

    @property
    def from_request(self) -> str:
        return f"?{urlencode({FROM_REQUEST: self.led_by.reference})}" if self.led_by else ""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        account = self.current_account()
        return super().get_context_data(
            **{
                "account": account,
                "name": name_of(account),
                "lock": open_lock(account),
                "led_by": self.led_by,
                "from_request": self.from_request,
                "back_url": self.get_success_url(),
                **kwargs,
            }
        )

    def get_success_url(self) -> str:
        if self.led_by:
            return reverse("admin:request", args=[self.led_by.reference])
        return reverse("admin:account", args=[self.account.pk])

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, self.success_message)
        return super().form_valid(form)

    def refuse(self, form: Any, field: str | None, why: str) -> HttpResponse:
        form.add_error(field, why)
        return self.form_invalid(form)


class LockView(AccountActionView):
    permission_required = AgentPermission.LOCK
    form_class = LockForm
    template_name = "agents/account_lock.html"

    @property
    def success_message(self) -> str:  # type: ignore[override]
        if self.account.can_be_mailed and not self.account.is_closed:
            return "Compte bloqué. La personne est prévenue à son adresse de secours."
        return "Compte bloqué. La personne n’a pas pu être prévenue par e-mail."

    def form_valid(self, form: LockForm) -> HttpResponse:
        try:
            lock_as_agent(account=self.account, agent=self.agent, **form.cleaned_data, **self.details)
        except AlreadyLocked as refused:
            return self.refuse(form, None, already_locked_message(refused.lock))
        return super().form_valid(form)


class UnlockView(AccountActionView):
    """Unlock after a proof of identity, once each change that an intruder may have made is ticked.

    Requests for assistance that this solves are closed with it.
    """

    permission_required = AgentPermission.RELEASE
    form_class = UnlockForm
    template_name = "agents/account_unlock.html"
    success_message = "Compte débloqué. E-mail envoyé à l’adresse de secours."

    def get_form_kwargs(self) -> dict[str, Any]:
        return {
            **super().get_form_kwargs(),
            "account": self.account,
            "changes": changes_to_review(self.account),
            "requests": open_requests_of(self.account, led_by=self.led_by),
            "led_by": self.led_by,
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        account, form = context["account"], context["form"]
        in_words = format_entries(form.changes)
        boxes = zip(form["reviewed"].subwidgets, form.changes, strict=True)
        return {
            **context,
            "changes": [(box, in_words[entry.pk]) for box, entry in boxes],
            "new_address": _present_address_change(form.changes, in_words),
            "can_put_back": bool(restorable_addresses(account, form.changes)),
            "correction": open_correction(account),
            "preview": preview_of_release(account),
        }

    def form_valid(self, form: UnlockForm) -> HttpResponse:
        try:
            closed = unlock_and_close(account=self.account, agent=self.agent, **form.cleaned_data, **self.details)
        except ChangesNotReviewed:
            form.show(changes_to_review(self.account))
            return self.refuse(form, "reviewed", CHANGED_MEANWHILE)
        except NotLocked:
            return self.refuse(form, None, not_locked_message(self.account))
        except UnlockRefused as refused:
            return self.refuse(form, *REFUSAL_MESSAGES[type(refused)])
        self.success_message = " ".join([self.success_message, *(f"Demande {one} clôturée." for one in closed)])
        return super().form_valid(form)


class RestoreAddressView(AccountActionView):
    """Undo a change of the recovery address that its owner has not made: the link of an unlocked account goes to
    the address on file."""

    permission_required = AgentPermission.RELEASE
    form_class = RestoreAddressForm
    template_name = "agents/account_restore_address.html"
    success_message = "L’adresse d’avant est remise. Le lien du déblocage y partira."

    def get_form_kwargs(self) -> dict[str, Any]:
        changes = changes_to_review(self.account)
        in_words, addresses = format_entries(changes), restorable_addresses(self.account, changes)
        choices = {
            entry.pk: _restoration_label(entry, in_words[entry.pk], addresses[entry.pk])
            for entry in changes
            if entry.pk in addresses
        }
        return {**super().get_form_kwargs(), "changes": choices}

    def get_success_url(self) -> str:
        return reverse("admin:account-release", args=[self.account.pk]) + self.from_request

    def form_valid(self, form: RestoreAddressForm) -> HttpResponse:
        try:
            restore_address(account=self.account, agent=self.agent, **form.cleaned_data, **self.details)
        except NotLocked:
            return self.refuse(form, None, not_locked_message(self.account))
        except UnlockRefused as refused:
            return self.refuse(form, *REFUSAL_MESSAGES[type(refused)])
        return super().form_valid(form)


class ResendView(AccountActionView):
    permission_required = AgentPermission.RESEND_LINK
    form_class = ResendForm
    template_name = "agents/account_resend_link.html"

    @property
    def success_message(self) -> str:  # type: ignore[override]
        link = "de réactivation" if self.account.state == State.TO_REACTIVATE else "d’activation"
        return f"Un nouveau lien {link} part vers l’adresse de secours."

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return {
            **context,
            "last": last_link(context["account"]),
            "deadline": end_of_next_day(timezone.now()),
        }

    def form_valid(self, form: ResendForm) -> HttpResponse:
        try:
            resend_link(account=self.account, agent=self.agent, **form.cleaned_data, **self.details)
        except NothingToResend:
            return self.refuse(form, None, "L’état du compte a changé\N{NO-BREAK SPACE}: aucun lien n’est parti")
        except NoAddressForLink:
            return self.refuse(form, None, "Aucune adresse de secours où envoyer le lien")
        except MailQuotaExceeded as refused:
            return self.refuse(form, None, mail_quota_message(refused))
        return super().form_valid(form)


def open_lock(account: Account) -> Lock | None:
    return account.locks.open().select_related("locked_by").first() if account.is_locked else None


def already_locked_message(lock: Lock) -> str:
    who = f" par {name_of(lock.locked_by)}" if lock.locked_by else ""
    return (
        f"Ce compte est déjà bloqué{who}, depuis le {past_datetime(lock.locked_at)}\N{NO-BREAK SPACE}: rien n’a changé"
    )


def not_locked_message(account: Account) -> str:
    released = account.locks.filter(released_at__isnull=False).select_related("released_by")
    lock = released.order_by("-released_at").first()
    if lock is None or lock.released_at is None or account.locks.open().exists():
        return "Ce compte n’est pas bloqué, ou il est fermé\N{NO-BREAK SPACE}: rien n’a changé"
    who = f" par {name_of(lock.released_by)}" if lock.released_by else ""
    when = past_datetime(lock.released_at)
    return f"Ce compte a été débloqué{who}, le {when}\N{NO-BREAK SPACE}: rien d’autre n’a changé"


def mail_quota_message(refused: MailQuotaExceeded) -> str:
    at = hour(refused.retry_at + timedelta(seconds=59))
    return f"Un e-mail est déjà parti il y a peu. Vous pourrez en renvoyer un à {at}"


def _present_address_change(
    changes: Sequence[JournalEntry], in_words: dict[int, FormattedEntry]
) -> FormattedEntry | None:
    return next((in_words[entry.pk] for entry in changes if entry.event in ADDRESS_EVENTS), None)


def _restoration_label(entry: JournalEntry, change: FormattedEntry, address: str) -> str:
    made = f"{past_datetime_short(entry.at)}\N{NO-BREAK SPACE}: {', '.join(change.lines)}"
    return f"{made}. Remettre {masked(address)}"
