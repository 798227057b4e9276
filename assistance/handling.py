"""What agents do with requests for assistance. Each action is a step of the request and a journal entry of its account.

Only the agent who has taken a request changes it, so that two agents never call the same person; any other may take it
over, or add a note. The row of the account is locked before that of the request, as the erasure does.
"""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from accounts.locking.lock import accounts_by_name
from accounts.models import Account
from accounts.permissions import AgentPermission, may_act_on, may_manage
from assistance.enums import CallOutcome, Fact, RequestState, StepKind
from assistance.identity_checks import known_fact
from assistance.models import AssistanceRequest, RequestStep
from journal.events import Event
from journal.services import record_event

#: Wrong answers about one account within a day.
MAX_MISMATCHES = 3
DAY = timedelta(days=1)


class RequestActionRefused(Exception):
    """The request is unchanged; subclasses say why."""


class AlreadyTaken(RequestActionRefused):
    """Another agent has it."""

    def __init__(self, holder: Account, since: datetime) -> None:
        super().__init__()
        self.holder = holder
        self.since = since


class RequestNotTaken(RequestActionRefused):
    """It has to be taken first, or was released meanwhile."""


class AlreadyClosed(RequestActionRefused):
    """It was closed then."""

    def __init__(self, closed_at: datetime) -> None:
        super().__init__()
        self.closed_at = closed_at


class StillOpen(RequestActionRefused):
    """It is not closed."""


class AboutAnotherAccount(RequestActionRefused):
    """It was attached to another account meanwhile."""


class NothingToCompareWith(RequestActionRefused):
    """The request has no account, or HR does not know that fact."""


class TooManyMismatches(RequestActionRefused):
    """Three wrong answers within a day: no further answer is compared."""


class UnknownAccountName(RequestActionRefused):
    """No account has that identifier."""


def may_handle(actor: Account, account: Account | None) -> bool:
    """Whether the actor may handle a request about the account: never their own; those of other agents only with the
    permission to manage agents.
    """
    if account is None or may_act_on(actor, account):
        return True
    return may_manage(actor, account) and actor.has_perm(AgentPermission.MANAGE_AGENTS)


@transaction.atomic
def record_request_opened(*, request: AssistanceRequest, actor: Account) -> None:
    _record(request, actor, Event.REQUEST_OPENED)


@transaction.atomic
def record_identity_read(*, request: AssistanceRequest, actor: Account) -> None:
    _record(request, actor, Event.IDENTITY_READ)


@transaction.atomic
def take_request(*, request: AssistanceRequest, actor: Account) -> None:
    """Assign the request to the actor. Idempotent. Raises AlreadyTaken, AlreadyClosed."""
    locked = _lock_open_request(request, actor)
    if locked.taken_by_id == actor.pk:
        return
    if locked.taken_by is not None:
        raise _already_taken(locked)
    _assign(locked, actor)
    _add_step(locked, actor, StepKind.TAKEN, Event.REQUEST_TAKEN)


@transaction.atomic
def take_over(*, request: AssistanceRequest, actor: Account, holder: int) -> None:
    """Assign the actor a request of the agent with the key `holder`.

    Raises AlreadyTaken when another agent has it by now, AlreadyClosed, RequestNotTaken.
    """
    locked = _lock_open_request(request, actor)
    if locked.taken_by_id == actor.pk:
        return
    if locked.taken_by is None:
        raise RequestNotTaken
    if locked.taken_by_id != holder:
        raise _already_taken(locked)
    _assign(locked, actor)
    _add_step(locked, actor, StepKind.TAKEN_OVER, Event.REQUEST_TAKEN)


@transaction.atomic
def release_request(*, request: AssistanceRequest, actor: Account) -> None:
    """Return the request to the queue. Raises AlreadyTaken, RequestNotTaken, AlreadyClosed."""
    locked = _lock_own_request(request, actor)
    locked.state, locked.taken_by, locked.taken_at = RequestState.NEW, None, None
    locked.save(update_fields=["state", "taken_by", "taken_at"])
    _add_step(locked, actor, StepKind.HANDED_BACK, Event.REQUEST_HANDED_BACK)


@transaction.atomic
def record_call(*, request: AssistanceRequest, actor: Account, outcome: CallOutcome, note: str = "") -> None:
    """Record a call and its outcome. Raises AlreadyTaken, RequestNotTaken, AlreadyClosed."""
    locked = _lock_own_request(request, actor)
    locked.state = RequestState.TAKEN if outcome == CallOutcome.REACHED else RequestState.CALL_TRIED
    locked.called_at = locked.called_at or timezone.now()
    locked.save(update_fields=["state", "called_at"])
    _add_step(locked, actor, StepKind.CALL, Event.REQUEST_CALLED, outcome=outcome, note=note)


@transaction.atomic
def add_note(*, request: AssistanceRequest, actor: Account, note: str) -> None:
    """Add a note. Every agent who may handle the request may, also after it was closed."""
    locked = _lock_request(request, actor)
    _add_step(locked, actor, StepKind.NOTE, Event.REQUEST_NOTED, note=note)


@transaction.atomic
def compare_fact(*, request: AssistanceRequest, actor: Account, fact: Fact, answer: str | date) -> bool:
    """Whether an answer on the telephone is what HR knows. The answer is not stored. An INE is given in capitals.

    Raises TooManyMismatches after three wrong answers within a day about one account, over all its requests;
    NothingToCompareWith, AlreadyTaken, RequestNotTaken, AlreadyClosed.
    """
    locked = _lock_own_request(request, actor)
    known = known_fact(locked.account, fact) if locked.account else None
    if locked.account is None or not known:
        raise NothingToCompareWith
    if mismatches_exhausted(locked.account):
        raise TooManyMismatches
    matches = answer == known
    kind = StepKind.FACT_MATCHED if matches else StepKind.FACT_MISMATCHED
    _add_step(locked, actor, kind, Event.FACT_COMPARED, outcome=fact, account=locked.account)
    return matches


def mismatches_exhausted(account: Account) -> bool:
    """Whether no further answer about the account is compared today."""
    return RequestStep.objects.mismatches_of(account).made_since(timezone.now() - DAY).count() >= MAX_MISMATCHES


@transaction.atomic
def attach_account(*, request: AssistanceRequest, actor: Account, name: str) -> Account:
    """Attach the request to another account: visitors mistype their address.

    `name` is an institutional address, with or without its domain, or a `uid`. Raises UnknownAccountName, AlreadyTaken,
    RequestNotTaken, AlreadyClosed, and PermissionDenied for an account whose requests the actor may not handle.
    """
    locked = _lock_own_request(request, actor)
    account = _account_named(name)
    if not may_handle(actor, account):
        raise PermissionDenied
    if locked.account == account:
        return account
    if locked.account is not None:
        _record(locked, actor, Event.REQUEST_DETACHED)
    locked.account = account
    locked.save(update_fields=["account"])
    _add_step(locked, actor, StepKind.ATTACHED, Event.REQUEST_ATTACHED, account=account)
    return account


@transaction.atomic
def close_request(*, request: AssistanceRequest, actor: Account, outcome: RequestState, note: str = "") -> None:
    """Close the request as solved, refused or duplicate. Raises AlreadyTaken, RequestNotTaken, AlreadyClosed."""
    locked = _lock_own_request(request, actor)
    locked.state, locked.closed_at = outcome, timezone.now()
    locked.save(update_fields=["state", "closed_at"])
    _add_step(locked, actor, StepKind(outcome.value), Event.REQUEST_CLOSED, note=note)


@transaction.atomic
def close_solved_request(*, request: AssistanceRequest, actor: Account) -> None:
    """Close a request that the actor has just solved, even if a colleague has it. Raises AlreadyClosed."""
    locked = _lock_open_request(request, actor)
    if locked.taken_by is None:
        locked.taken_by, locked.taken_at = actor, timezone.now()
    locked.state, locked.closed_at = RequestState.SOLVED, timezone.now()
    locked.save(update_fields=["state", "taken_by", "taken_at", "closed_at"])
    _add_step(locked, actor, StepKind.SOLVED, Event.REQUEST_CLOSED)


@transaction.atomic
def reopen_request(*, request: AssistanceRequest, actor: Account) -> None:
    """Reopen a closed request and assign it to the actor. Raises StillOpen."""
    locked = _lock_request(request, actor)
    if locked.is_open:
        raise StillOpen
    locked.closed_at = None
    _assign(locked, actor)
    _add_step(locked, actor, StepKind.REOPENED, Event.REQUEST_REOPENED)


def _lock_request(request: AssistanceRequest, actor: Account) -> AssistanceRequest:
    account = None
    if request.account_id is not None:
        account = Account.objects.lock(request.account_id)
    locked = AssistanceRequest.objects.select_for_update(of=("self",)).get(pk=request.pk)
    if locked.account_id != request.account_id:
        raise AboutAnotherAccount
    if not may_handle(actor, account):
        raise PermissionDenied
    locked.account = account
    return locked


def _lock_open_request(request: AssistanceRequest, actor: Account) -> AssistanceRequest:
    locked = _lock_request(request, actor)
    if locked.closed_at is not None:
        raise AlreadyClosed(locked.closed_at)
    return locked


def _lock_own_request(request: AssistanceRequest, actor: Account) -> AssistanceRequest:
    locked = _lock_open_request(request, actor)
    if locked.taken_by is None:
        raise RequestNotTaken
    if locked.taken_by_id != actor.pk:
        raise _already_taken(locked)
    return locked


def _account_named(name: str) -> Account:
    found = accounts_by_name([name]) or accounts_by_name([f"{name}@{settings.UNIVERSITY_DOMAINS[0]}"])
    account = next(iter(found.values()), None)
    if account is None or account.erased_at is not None:
        raise UnknownAccountName
    return account


def _already_taken(locked: AssistanceRequest) -> AlreadyTaken:
    assert locked.taken_by is not None
    assert locked.taken_at is not None
    return AlreadyTaken(locked.taken_by, locked.taken_at)


def _assign(locked: AssistanceRequest, actor: Account) -> None:
    # A call that was tried stays tried.
    if locked.state != RequestState.CALL_TRIED:
        locked.state = RequestState.TAKEN
    locked.taken_by, locked.taken_at = actor, timezone.now()
    locked.save(update_fields=["state", "taken_by", "taken_at", "closed_at"])


def _add_step(
    locked: AssistanceRequest,
    actor: Account,
    kind: StepKind,
    event: Event,
    *,
    outcome: str = "",
    note: str = "",
    account: Account | None = None,
) -> None:
    # The journal holds neither the note nor whether a fact matched: the owner of the account reads it.
    RequestStep.objects.create(request=locked, actor=actor, kind=kind, outcome=outcome, note=note, account=account)
    _record(locked, actor, event)


def _record(request: AssistanceRequest, actor: Account, event: Event) -> None:
    record_event(account=request.account, actor=actor, event=event, request=request.pk, reference=request.reference)
