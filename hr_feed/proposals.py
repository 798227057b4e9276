"""Recovery addresses that HR has in its file and the portal has not: proposals, which agents see (ADM-08)."""

from django.db import transaction
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.db.models.lookups import Exact
from django.utils import timezone

from accounts.models import Account, RecoveryAddressCorrection
from accounts.recovery.corrections import require_correction_permission
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event


class ProposalAlreadyHandled(Exception):
    """It waits no more: taken up, dismissed, replaced by a newer one, or on file by now."""


def waiting_proposals() -> QuerySet[JournalEntry]:
    """The latest address that HR proposes for each person, as `proposed`, unless it is on file or agents have settled
    it; the oldest first. Nobody acts on agents or on those who have left, so theirs are not there.
    """
    entries = JournalEntry.objects.filter(event=Event.RECOVERY_ADDRESS_PROPOSED).annotate(
        proposed=KT("details__proposed")
    )
    is_there = Q(account__end_date__isnull=True) | Q(account__end_date__gte=timezone.localdate())
    waiting = entries.filter(is_there, account__is_staff=False).exclude(proposed=F("account__recovery_address"))
    settled = Exists(_newer()) | Exists(_dismissals()) | Exists(_corrections())
    return waiting.filter(~settled).select_related("account").order_by("at", "pk")


def waiting_proposal_for(account: Account) -> JournalEntry | None:
    """What HR proposes for one person, if it waits for an agent."""
    return waiting_proposals().filter(account=account).first()


@transaction.atomic
def dismiss_proposal(*, entry_id: int, agent: Account, reason: str) -> None:
    """Take a proposal from the list: the address on file stays. The journal has who, and why.

    Raises NotForThisAgent, AlreadyDealtWith.
    """
    account_id = JournalEntry.objects.filter(pk=entry_id).values_list("account_id", flat=True).first()
    account = Account.objects.select_for_update(of=("self",)).filter(pk=account_id).first()
    if account is None:
        raise ProposalAlreadyHandled
    require_correction_permission(agent, account)
    if not waiting_proposals().filter(pk=entry_id).exists():
        raise ProposalAlreadyHandled
    record_event(
        account=account, actor=agent, event=Event.RECOVERY_PROPOSAL_DISMISSED, proposal=entry_id, reason=reason
    )


def _of_the_same_person() -> QuerySet[JournalEntry]:
    return JournalEntry.objects.filter(account=OuterRef("account"))


def _newer() -> QuerySet[JournalEntry]:
    later = Q(at__gt=OuterRef("at")) | Q(at=OuterRef("at"), pk__gt=OuterRef("pk"))
    return _of_the_same_person().filter(later, event=Event.RECOVERY_ADDRESS_PROPOSED)


def _dismissals() -> QuerySet[JournalEntry]:
    since = _of_the_same_person().filter(at__gte=OuterRef("at"), event=Event.RECOVERY_PROPOSAL_DISMISSED)
    return since.filter(Exact(Cast(KT("details__proposal"), BigIntegerField()), OuterRef("pk")))


def _corrections() -> QuerySet[RecoveryAddressCorrection]:
    """Agents who gave this address since, or replaced it with another: HR's file is what is wrong then."""
    given = Q(new_address=OuterRef("proposed"), proposed_at__gte=OuterRef("at"))
    replaced = Q(previous_address=OuterRef("proposed"), applied_at__isnull=False, undone_at__isnull=True)
    return RecoveryAddressCorrection.objects.filter(given | replaced, account=OuterRef("account"))
