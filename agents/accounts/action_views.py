"""What agents do to an account: lock it, release it, put its address back, mail a link once more. Each act has a page
of its own, which says what will happen; nothing happens before its form is sent."""

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
    unlock_account,
)
from accounts.models import Account, Lock
from accounts.permissions import AgentPermission, require_may_act_on
from accounts.recovery.corrections import open_correction
from accounts.recovery.mail_quota import MailQuotaExceeded
from activation.email_previews import preview_of_release
from activation.resend import NoAddressForLink, NothingToResend, last_link, resend_link
from agents import audit as opening
from agents.access import AgentView
from agents.accounts.forms import LockForm, PutBackForm, ReleaseForm, ResendForm
from agents.journal.entries import FormattedEntry, format_entries
from agents.journal.formatting import name_of
from agents.templatetags.agents import masked
from assistance.models import AssistanceRequest
from core.templatetags.dates import hour, past_datetime, past_datetime_short
from core.text import has_forbidden_character
from journal.events import Event
from journal.models import JournalEntry
from outbox.deadlines import end_of_next_day

FROM_REQUEST = "demande"
#: Events after which another recovery address is on file.
NEW_ADDRESS = (Event.RECOVERY_ADDRESS_CHANGED, Event.RECOVERY_ADDRESS_CORRECTED, Event.RECOVERY_ADDRESS_RESTORED)
#: Why a release was refused: the field to look at, if it is about one, and what the agent reads.
REFUSALS: dict[type[UnlockRefused], tuple[str | None, str]] = {
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
NEW_CHANGE = "Un changement est arrivé entre-temps\N{NO-BREAK SPACE}: vérifiez-le aussi"


class AccountActionView(AgentView, FormView):
    """An act on the account of the address; `?demande=` names the request for assistance that led to it."""

    http_method_names = ["get", "head", "post"]
    #: Said on the next page.
    done = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the page, and note that the account was opened."""
        opening.record_account_opened(account=self.account, actor=self.agent)
        return super().get(request, *args, **kwargs)

    @cached_property
    def account(self) -> Account:
        """The account of the address, as it was when the page was asked for."""
        account = self.account_now()
        require_may_act_on(self.agent, account)
        return account

    def account_now(self) -> Account:
        """The account as it is, after somebody was faster."""
        account: Account = get_object_or_404(Account.objects.with_lock(), pk=self.kwargs["pk"])
        return account

    @cached_property
    def led_by(self) -> AssistanceRequest | None:
        """The request that the agent comes from, and goes back to."""
        reference = self.request.GET.get(FROM_REQUEST, "")
        if not reference:
            return None
        if has_forbidden_character(reference):
            raise Http404
        return get_object_or_404(AssistanceRequest, reference=reference, account=self.account)

    @property
    def details(self) -> dict[str, Any]:
        """What else the journal keeps of the act."""
        return {"request": self.led_by.pk, "reference": self.led_by.reference} if self.led_by else {}

    @property
    def from_request(self) -> str:
        """What keeps the request in the address of the next page."""
        return f"?{urlencode({FROM_REQUEST: self.led_by.reference})}" if self.led_by else ""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Whom it is about, as they are now."""
        account = self.account_now()
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
        """Back to where the agent came from."""
        if self.led_by:
            return reverse("admin:request", args=[self.led_by.reference])
        return reverse("admin:account", args=[self.account.pk])

    def form_valid(self, form: Any) -> HttpResponse:
        """Say what was done, on the next page."""
        messages.success(self.request, self.done)
        return super().form_valid(form)

    def refuse(self, form: Any, field: str | None, why: str) -> HttpResponse:
        """The same page with everything that was typed, and why nothing has changed."""
        form.add_error(field, why)
        return self.form_invalid(form)


class LockView(AccountActionView):
    """Lock the account; the person is told why."""

    permission_required = AgentPermission.LOCK
    form_class = LockForm
    template_name = "agents/account_lock.html"

    @property
    def done(self) -> str:  # type: ignore[override]
        """Whether the person learns of it."""
        if self.account.can_be_mailed and not self.account.is_closed:
            return "Compte bloqué. La personne est prévenue à son adresse de secours."
        return "Compte bloqué. La personne n’a pas pu être prévenue par e-mail."

    def form_valid(self, form: LockForm) -> HttpResponse:
        """Lock it, unless somebody was faster."""
        try:
            lock_as_agent(account=self.account, agent=self.agent, **form.cleaned_data, **self.details)
        except AlreadyLocked as refused:
            return self.refuse(form, None, already_locked(refused.lock))
        return super().form_valid(form)


class ReleaseView(AccountActionView):
    """Release the lock after a proof, once each change that an intruder may have made is ticked (HLP-03, HLP-06)."""

    permission_required = AgentPermission.RELEASE
    form_class = ReleaseForm
    template_name = "agents/account_unlock.html"
    done = "Compte débloqué. E-mail envoyé à l’adresse de secours."

    def get_form_kwargs(self) -> dict[str, Any]:
        """Whose lock, and what there is to look at."""
        changes = changes_to_review(self.account)
        return {**super().get_form_kwargs(), "account": self.account, "changes": changes}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The changes beside their boxes, where the link will go, and what the mail says."""
        context = super().get_context_data(**kwargs)
        account, form = context["account"], context["form"]
        in_words = format_entries(form.changes)
        boxes = zip(form["reviewed"].subwidgets, form.changes, strict=True)
        return {
            **context,
            "changes": [(box, in_words[entry.pk]) for box, entry in boxes],
            "new_address": _new_address(form.changes, in_words),
            "can_put_back": bool(restorable_addresses(account, form.changes)),
            "correction": open_correction(account),
            "preview": preview_of_release(account),
        }

    def form_valid(self, form: ReleaseForm) -> HttpResponse:
        """Release it, or say what is missing."""
        try:
            unlock_account(account=self.account, agent=self.agent, **form.cleaned_data, **self.details)
        except ChangesNotReviewed:
            form.show(changes_to_review(self.account))
            return self.refuse(form, "reviewed", NEW_CHANGE)
        except NotLocked:
            return self.refuse(form, None, no_longer_locked(self.account))
        except UnlockRefused as refused:
            return self.refuse(form, *REFUSALS[type(refused)])
        return super().form_valid(form)


class PutBackView(AccountActionView):
    """Put the recovery address of before back, when the person has not changed it: the link of the release goes to the
    address on file (HLP-05)."""

    permission_required = AgentPermission.RELEASE
    form_class = PutBackForm
    template_name = "agents/account_restore_address.html"
    done = "L’adresse d’avant est remise. Le lien du déblocage y partira."

    def get_form_kwargs(self) -> dict[str, Any]:
        """What each change would give back."""
        changes = changes_to_review(self.account)
        in_words, addresses = format_entries(changes), restorable_addresses(self.account, changes)
        choices = {
            entry.pk: _put_back_in_words(entry, in_words[entry.pk], addresses[entry.pk])
            for entry in changes
            if entry.pk in addresses
        }
        return {**super().get_form_kwargs(), "changes": choices}

    def get_success_url(self) -> str:
        """On to the release."""
        return reverse("admin:account-release", args=[self.account.pk]) + self.from_request

    def form_valid(self, form: PutBackForm) -> HttpResponse:
        """Put it back, unless somebody was faster."""
        try:
            restore_address(account=self.account, agent=self.agent, **form.cleaned_data, **self.details)
        except NotLocked:
            return self.refuse(form, None, no_longer_locked(self.account))
        except UnlockRefused as refused:
            return self.refuse(form, *REFUSALS[type(refused)])
        return super().form_valid(form)


class ResendView(AccountActionView):
    """Mail the link that the person needs once more."""

    permission_required = AgentPermission.RESEND_LINK
    form_class = ResendForm
    template_name = "agents/account_resend_link.html"

    @property
    def done(self) -> str:  # type: ignore[override]
        """Which link it was."""
        link = "de réactivation" if self.account.state == State.TO_REACTIVATE else "d’activation"
        return f"Un nouveau lien {link} part vers l’adresse de secours."

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """When the last one left, and what became of it."""
        context = super().get_context_data(**kwargs)
        return {
            **context,
            "last": last_link(context["account"]),
            "deadline": end_of_next_day(timezone.now()),
        }

    def form_valid(self, form: ResendForm) -> HttpResponse:
        """Ask for the mail."""
        try:
            resend_link(account=self.account, agent=self.agent, **form.cleaned_data, **self.details)
        except NothingToResend:
            return self.refuse(form, None, "L’état du compte a changé\N{NO-BREAK SPACE}: aucun lien n’est parti")
        except NoAddressForLink:
            return self.refuse(form, None, "Aucune adresse de secours où envoyer le lien")
        except MailQuotaExceeded as refused:
            return self.refuse(form, None, too_many_mails(refused))
        return super().form_valid(form)


def open_lock(account: Account) -> Lock | None:
    """Why the account is locked, if it is, with whoever locked it."""
    return account.locks.open().select_related("locked_by").first() if account.is_locked else None


def already_locked(lock: Lock) -> str:
    """Who was faster, and when."""
    who = f" par {name_of(lock.locked_by)}" if lock.locked_by else ""
    return (
        f"Ce compte est déjà bloqué{who}, depuis le {past_datetime(lock.locked_at)}\N{NO-BREAK SPACE}: rien n’a changé"
    )


def no_longer_locked(account: Account) -> str:
    """Who has released it meanwhile, or that nobody has to."""
    released = account.locks.filter(released_at__isnull=False).select_related("released_by")
    lock = released.order_by("-released_at").first()
    if lock is None or lock.released_at is None or account.locks.open().exists():
        return "Ce compte n’est pas bloqué, ou il est fermé\N{NO-BREAK SPACE}: rien n’a changé"
    who = f" par {name_of(lock.released_by)}" if lock.released_by else ""
    when = past_datetime(lock.released_at)
    return f"Ce compte a été débloqué{who}, le {when}\N{NO-BREAK SPACE}: rien d’autre n’a changé"


def too_many_mails(refused: MailQuotaExceeded) -> str:
    """From when another one may leave; to the minute in which it surely does."""
    at = hour(refused.retry_at + timedelta(seconds=59))
    return f"Un e-mail est déjà parti il y a peu. Vous pourrez en renvoyer un à {at}"


def _new_address(changes: Sequence[JournalEntry], in_words: dict[int, FormattedEntry]) -> FormattedEntry | None:
    """The change that the recovery address on file comes from, when it is among those to look at."""
    return next((in_words[entry.pk] for entry in changes if entry.event in NEW_ADDRESS), None)


def _put_back_in_words(entry: JournalEntry, change: FormattedEntry, address: str) -> str:
    made = f"{past_datetime_short(entry.at)}\N{NO-BREAK SPACE}: {', '.join(change.lines)}"
    return f"{made}. Remettre {masked(address)}"
