"""Recovery addresses given by agents: corrected at once, or replaced with the approval of a second agent."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.functional import cached_property
from django.views.generic import FormView, TemplateView

from accounts.models import Account, RecoveryAddressCorrection
from accounts.permissions import AgentPermission, may_approve, require_may_act_on
from accounts.recovery.changes import SameAddress
from accounts.recovery.corrections import (
    AccountClosed,
    AddressChangedMeanwhile,
    AlreadyProposed,
    CorrectionNotProven,
    NeedsTwoAgents,
    NotWaiting,
    approve_replacement,
    cancel_replacement,
    correct_at_once,
    may_be_corrected_at_once,
    open_correction,
    propose_replacement,
)
from accounts.recovery.two_agents import CorrectionNotAllowed, NewAgent, ProposerNotCounted
from agents import audit
from agents.access import AgentView
from agents.accounts.action_views import AccountActionView
from agents.accounts.search import LAST_PAGE, PAGE_SIZE
from agents.accounts.views import page_number
from agents.addresses.forms import AddressApprovalForm, CancellationForm, CorrectionForm, DismissalForm, ReplacementForm
from agents.second_factor.confirmation import ConfirmedByCodeMixin
from core.templatetags.dates import datetime_long, past_datetime
from hr_feed.proposals import ProposalAlreadyHandled, dismiss_proposal, waiting_proposal_for, waiting_proposals
from journal.models import JournalEntry

#: A handful waits at a time.
MAX_SHOWN = 100
#: `?proposition=rh` fills the form with the address that HR proposes.
FROM_HR = "rh"
TWO_AGENTS_NEEDED = "Le compte vient d’être activé ou bloqué\N{NO-BREAK SPACE}: un autre agent doit approuver"
NO_NUMBER = "Les RH ne connaissent plus de numéro à rappeler\N{NO-BREAK SPACE}: choisissez une autre preuve"
ADDRESS_CHANGED = "L’adresse en place a changé depuis la proposition\N{NO-BREAK SPACE}: refusez cette proposition."
NEW_AGENT = (
    "Vous avez reçu votre rôle ou un code d’enrôlement depuis moins de sept jours\N{NO-BREAK SPACE}: "
    "un autre agent doit s’en charger"
)
PROPOSER_NOT_COUNTED = (
    "L’agent qui a proposé cette adresse n’a plus ce rôle, ou l’a reçu depuis moins de sept jours\N{NO-BREAK SPACE}: "
    "refusez cette proposition, un autre agent la refera."
)
CLOSED = "Ce compte est fermé\N{NO-BREAK SPACE}: son adresse de secours ne change plus"


class AddressesView(AgentView, TemplateView):
    permission_required = AgentPermission.CORRECT_ADDRESS
    template_name = "agents/addresses.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        number = page_number(self.request.GET.get("page", ""))
        start = (number - 1) * PAGE_SIZE
        proposals = list(waiting_proposals()[start : start + PAGE_SIZE + 1])
        corrections = RecoveryAddressCorrection.objects.select_related("account", "proposed_by", "approved_by")
        return super().get_context_data(
            **kwargs,
            to_approve=corrections.to_approve().order_by("proposed_at", "pk")[:MAX_SHOWN],
            approved=corrections.approved().order_by("effective_at", "pk")[:MAX_SHOWN],
            proposals=proposals[:PAGE_SIZE],
            number=number,
            previous=number - 1,
            following=number + 1,
            has_next=len(proposals) > PAGE_SIZE and number < LAST_PAGE,
        )


class CorrectAddressView(AccountActionView):
    permission_required = AgentPermission.CORRECT_ADDRESS
    template_name = "agents/address_correct.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.proposal is not None:
            audit.record_address_read(account=self.account, actor=self.agent)
        return super().get(request, *args, **kwargs)

    @cached_property
    def proposal(self) -> JournalEntry | None:
        return waiting_proposal_for(self.account) if self.request.GET.get("proposition") == FROM_HR else None

    def get_form_class(self) -> type[forms.Form]:
        return CorrectionForm if may_be_corrected_at_once(self.account) else ReplacementForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "account": self.account}

    def get_initial(self) -> dict[str, Any]:
        return {"address": self.proposal.proposed} if self.proposal is not None else {}  # type: ignore[attr-defined]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return {
            **context,
            "at_once": isinstance(context["form"], CorrectionForm),
            "correction": open_correction(self.account),
            "proposal": self.proposal,
        }

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            self.act(form)
        except SameAddress:
            form.refuse_present_address()
            return self.form_invalid(form)
        except AlreadyProposed as other:
            return self.refuse(form, None, already_proposed_message(other.correction))
        except AccountClosed:
            return self.refuse(form, None, CLOSED)
        except NewAgent:
            return self.refuse(form, None, NEW_AGENT)
        except CorrectionNotProven:
            return self.refuse(form, "proof", NO_NUMBER)
        except NeedsTwoAgents:
            return self.refuse(ReplacementForm(self.request.POST, account=self.account), None, TWO_AGENTS_NEEDED)
        except CorrectionNotAllowed:
            raise PermissionDenied from None
        return super().form_valid(form)

    def act(self, form: Any) -> None:
        facts = {"account": self.account, "agent": self.agent, "address": form.cleaned_data["address"], **self.details}
        if isinstance(form, CorrectionForm):
            correct_at_once(reason=form.cleaned_data["reason"], **facts)
        else:
            propose_replacement(proof=form.cleaned_data["proof"], note=form.cleaned_data["reason"], **facts)

    @property
    def success_message(self) -> str:  # type: ignore[override]
        if may_be_corrected_at_once(self.account):
            return "L’adresse de secours est corrigée. Un lien d’activation part à la nouvelle adresse."
        return "L’adresse est proposée. Elle attend l’accord d’un autre agent."


def already_proposed_message(correction: RecoveryAddressCorrection) -> str:
    when = past_datetime(correction.proposed_at)
    return f"{correction.proposed_by or 'Un agent'} a proposé une autre adresse pour ce compte le {when}"


class CorrectionView(AgentView):
    permission_required = AgentPermission.CORRECT_ADDRESS

    @cached_property
    def correction(self) -> RecoveryAddressCorrection:
        people = ("proposed_by", "approved_by", "given_up_by")
        corrections = RecoveryAddressCorrection.objects.exclude(proof="").select_related(*people)
        correction: RecoveryAddressCorrection = get_object_or_404(corrections, pk=self.kwargs["pk"])
        correction.account = Account.objects.with_lock().get(pk=correction.account_id)
        require_may_act_on(self.agent, correction.account)
        return correction


class AddressView(ConfirmedByCodeMixin, CorrectionView, FormView):
    form_class = AddressApprovalForm
    template_name = "agents/address.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        audit.record_address_read(account=self.correction.account, actor=self.agent)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        correction = self.correction
        waits = correction.is_open and correction.approved_at is None
        is_outdated = correction.is_open and correction.account.recovery_address != correction.previous_address
        is_own = correction.proposed_by_id == self.agent.pk
        is_new_agent = not may_approve(self.agent)
        return super().get_context_data(
            **kwargs,
            correction=correction,
            account=correction.account,
            is_own=is_own,
            is_new_agent=is_new_agent,
            is_outdated=is_outdated,
            may_be_approved=waits and not (is_own or is_new_agent or is_outdated or correction.account.is_closed),
        )


class ApproveView(AddressView):
    http_method_names = ["post"]

    # The form of this view alone, narrower than that of the mixin (override).
    def form_invalid(self, form: AddressApprovalForm) -> HttpResponse:  # type: ignore[override]
        # The page shows the address.
        audit.record_address_read(account=self.correction.account, actor=self.agent)
        return super().form_invalid(form)

    def confirmed(self, form: AddressApprovalForm) -> HttpResponse:
        request = self.request
        try:
            correction = approve_replacement(correction_id=self.correction.pk, agent=self.agent)
        except CorrectionNotAllowed:
            raise PermissionDenied from None
        except NotWaiting as late:
            messages.warning(request, describe_outcome(late.correction))
        except AddressChangedMeanwhile:
            messages.warning(request, ADDRESS_CHANGED)
        except AccountClosed:
            messages.warning(request, f"{CLOSED}.")
        except NewAgent:
            messages.warning(request, f"{NEW_AGENT}.")
        except ProposerNotCounted:
            messages.warning(request, PROPOSER_NOT_COUNTED)
        else:
            assert correction.effective_at is not None
            messages.success(
                request,
                f"L’adresse est approuvée. Elle servira à partir du {datetime_long(correction.effective_at)}. "
                "L’ancienne et la nouvelle adresse en sont prévenues.",
            )
        return redirect("admin:addresses")


class CancelReplacementView(CorrectionView, FormView):
    http_method_names = ["get", "head", "post"]
    form_class = CancellationForm
    template_name = "agents/address_cancel.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.correction.is_open:
            return self.too_late(self.correction)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, correction=self.correction, account=self.correction.account)

    def form_valid(self, form: CancellationForm) -> HttpResponse:
        try:
            cancel_replacement(correction_id=self.correction.pk, agent=self.agent, reason=form.cleaned_data["reason"])
        except CorrectionNotAllowed:
            raise PermissionDenied from None
        except NotWaiting as late:
            return self.too_late(late.correction)
        messages.success(self.request, "C’est noté\N{NO-BREAK SPACE}: l’adresse de secours reste celle en place.")
        return redirect("admin:addresses")

    def too_late(self, correction: RecoveryAddressCorrection) -> HttpResponse:
        messages.warning(self.request, describe_outcome(correction))
        return redirect("admin:address", pk=correction.pk)


def describe_outcome(correction: RecoveryAddressCorrection) -> str:
    if correction.applied_at is not None:
        return f"Cette adresse est en vigueur depuis le {past_datetime(correction.applied_at)}."
    if correction.given_up_at is not None:
        by = f" par {correction.given_up_by}" if correction.given_up_by else ""
        return f"Cette adresse a été abandonnée{by} le {past_datetime(correction.given_up_at)}."
    assert correction.approved_at is not None
    return (
        f"{correction.approved_by or 'Un agent'} a approuvé cette adresse le {past_datetime(correction.approved_at)}."
    )


class DismissView(AgentView, FormView):
    permission_required = AgentPermission.CORRECT_ADDRESS
    http_method_names = ["get", "head", "post"]
    form_class = DismissalForm
    template_name = "agents/address_dismiss.html"

    @cached_property
    def proposal(self) -> JournalEntry | None:
        return waiting_proposals().filter(pk=self.kwargs["pk"]).first()

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().get(request, *args, **kwargs) if self.proposal is not None else self.too_late()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        proposal = self.proposal
        return super().get_context_data(**kwargs, proposal=proposal, account=proposal and proposal.account)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().post(request, *args, **kwargs) if self.proposal is not None else self.too_late()

    def form_valid(self, form: DismissalForm) -> HttpResponse:
        try:
            dismiss_proposal(entry_id=self.kwargs["pk"], agent=self.agent, reason=form.cleaned_data["reason"])
        except CorrectionNotAllowed:
            raise PermissionDenied from None
        except ProposalAlreadyHandled:
            return self.too_late()
        messages.success(self.request, "La proposition des RH est rejetée.")
        return redirect("admin:addresses")

    def too_late(self) -> HttpResponse:
        messages.info(self.request, "Cette proposition des RH n’attend plus\N{NO-BREAK SPACE}: elle a été traitée.")
        return redirect("admin:addresses")
