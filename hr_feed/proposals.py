"""Recovery addresses that the HR file proposes for accounts that it may not change; agents decide."""

from django.db import transaction
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.db.models.lookups import Exact
from django.utils import timezone

from accounts.models import Account, RecoveryAddressCorrection
from accounts.recovery.two_agents import require_correction_permission
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event


class ProposalAlreadyHandled(Exception):
    pass


def waiting_proposals() -> QuerySet[JournalEntry]:
    """The latest proposal of each account, oldest first, as `proposed`.

    Without those that are on file, dismissed or replaced by agents, and without agents and closed accounts.
    """
    entries = JournalEntry.objects.filter(event=Event.RECOVERY_ADDRESS_PROPOSED).annotate(
        proposed=KT("details__proposed")
    )
    is_open = Q(account__end_date__isnull=True) | Q(account__end_date__gte=timezone.localdate())
    waiting = entries.filter(is_open, account__is_staff=False).exclude(proposed=F("account__recovery_address"))
    settled = Exists(_newer()) | Exists(_dismissals()) | Exists(_corrections())
    return waiting.filter(~settled).select_related("account").order_by("at", "pk")


def waiting_proposal_for(account: Account) -> JournalEntry | None:
    return waiting_proposals().filter(account=account).first()


@transaction.atomic
def dismiss_proposal(*, entry_id: int, agent: Account, reason: str) -> None:
    """Raises CorrectionNotAllowed, ProposalAlreadyHandled."""
    account_id = JournalEntry.objects.filter(pk=entry_id).values_list("account_id", flat=True).first()
    if account_id is None:
        raise ProposalAlreadyHandled
    account = Account.objects.lock(account_id)
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
    """Agents gave this address since, or replaced it with another one."""
    given = Q(new_address=OuterRef("proposed"), proposed_at__gte=OuterRef("at"))
    replaced = Q(previous_address=OuterRef("proposed"), applied_at__isnull=False, undone_at__isnull=True)
    return RecoveryAddressCorrection.objects.filter(given | replaced, account=OuterRef("account"))
