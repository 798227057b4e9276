"""What agents do with requests for assistance. Each act is a step of the request, and in the journal of the account
that it is about.

Only whoever has taken a request changes it, so that two agents never call the same person; any other may take it over,
and add a note. The row of the account is held before that of the request: an erasure takes them in that order.
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

#: So many wrong answers about one person within a day, and nobody asks them anything more.
MAX_MISMATCHES = 3
DAY = timedelta(days=1)


class RequestActionRefused(Exception):
    """The request stays as it is; the subclasses say why."""


class AlreadyTaken(RequestActionRefused):
    """Another agent has it, since then."""

    def __init__(self, holder: Account, since: datetime) -> None:
        super().__init__()
        self.holder = holder
        self.since = since


class RequestNotTaken(RequestActionRefused):
    """It has to be taken first, or was handed back meanwhile."""


class AlreadyClosed(RequestActionRefused):
    """It was closed then."""

    def __init__(self, closed_at: datetime) -> None:
        super().__init__()
        self.closed_at = closed_at


class StillOpen(RequestActionRefused):
    """It is not closed, or not any more: another agent was faster."""


class AboutAnotherAccount(RequestActionRefused):
    """It was attached to another account in this very moment."""


class NothingToCompareWith(RequestActionRefused):
    """The request is about no account, or HR does not know that fact."""


class TooManyMismatches(RequestActionRefused):
    """Three wrong answers within a day: not even the right one counts any more (design §9)."""


class UnknownAccountName(RequestActionRefused):
    """No account has that identifier."""


def may_handle(actor: Account, account: Account | None) -> bool:
    """Whether `actor` may handle a request about that account: nobody about their own, and about another agent's only
    those who manage agents, or such a request would wait for ever."""
    if account is None or may_act_on(actor, account):
        return True
    return may_manage(actor, account) and actor.has_perm(AgentPermission.MANAGE_AGENTS)


@transaction.atomic
def record_request_opened(*, request: AssistanceRequest, actor: Account) -> None:
    """Record that an agent has opened the page of a request."""
    _record(request, actor, Event.REQUEST_OPENED)


@transaction.atomic
def record_identity_read(*, request: AssistanceRequest, actor: Account) -> None:
    """Record that an agent has read the birth date or INE, what was typed and what HR knows."""
    _record(request, actor, Event.IDENTITY_READ)


@transaction.atomic
def take_request(*, request: AssistanceRequest, actor: Account) -> None:
    """Give the request to `actor`; taking it twice is taking it once. Raises AlreadyTaken, AlreadyClosed."""
    held = _held_open(request, actor)
    if held.taken_by_id == actor.pk:
        return
    if held.taken_by is not None:
        raise _taken(held)
    _give_to(held, actor)
    _note(held, actor, StepKind.TAKEN, Event.REQUEST_TAKEN)


@transaction.atomic
def take_over(*, request: AssistanceRequest, actor: Account, holder: int) -> None:
    """Give `actor` the request that the agent with the key `holder` has: ill, away, or asked to pass it on.

    Raises AlreadyTaken when it is somebody else's by now, AlreadyClosed, TakenByNobody.
    """
    held = _held_open(request, actor)
    if held.taken_by_id == actor.pk:
        return
    if held.taken_by is None:
        raise RequestNotTaken
    if held.taken_by_id != holder:
        raise _taken(held)
    _give_to(held, actor)
    _note(held, actor, StepKind.TAKEN_OVER, Event.REQUEST_TAKEN)


@transaction.atomic
def release_request(*, request: AssistanceRequest, actor: Account) -> None:
    """Let it wait for whoever takes it next. Raises AlreadyTaken, TakenByNobody, AlreadyClosed."""
    held = _held_by(request, actor)
    held.state, held.taken_by, held.taken_at = RequestState.NEW, None, None
    held.save(update_fields=["state", "taken_by", "taken_at"])
    _note(held, actor, StepKind.HANDED_BACK, Event.REQUEST_HANDED_BACK)


@transaction.atomic
def record_call(*, request: AssistanceRequest, actor: Account, outcome: CallOutcome, note: str = "") -> None:
    """Record a call to the person, and whether they were reached. Raises AlreadyTaken, TakenByNobody, AlreadyClosed."""
    held = _held_by(request, actor)
    held.state = RequestState.TAKEN if outcome == CallOutcome.REACHED else RequestState.CALL_TRIED
    held.called_at = held.called_at or timezone.now()
    held.save(update_fields=["state", "called_at"])
    _note(held, actor, StepKind.CALL, Event.REQUEST_CALLED, outcome=outcome, note=note)


@transaction.atomic
def add_note(*, request: AssistanceRequest, actor: Account, note: str) -> None:
    """Keep what an agent has to say, whoever holds the request, and after it was closed: nothing typed is lost."""
    held = _held(request, actor)
    _note(held, actor, StepKind.NOTE, Event.REQUEST_NOTED, note=note)


@transaction.atomic
def compare_fact(*, request: AssistanceRequest, actor: Account, fact: Fact, answer: str | date) -> bool:
    """Whether what the person on the telephone says is what HR knows. The answer itself is kept nowhere.

    An INE is given in capitals. Three wrong answers about one person within a day, over all their requests, and no
    answer is right any more: TriesAreOver. What the form of the request says does not count. Raises
    NothingToCompareWith too, and AlreadyTaken, TakenByNobody, AlreadyClosed.
    """
    held = _held_by(request, actor)
    known = known_fact(held.account, fact) if held.account else None
    if held.account is None or not known:
        raise NothingToCompareWith
    if mismatches_exhausted(held.account):
        raise TooManyMismatches
    matches = answer == known
    kind = StepKind.FACT_MATCHED if matches else StepKind.FACT_MISMATCHED
    _note(held, actor, kind, Event.FACT_COMPARED, outcome=fact, account=held.account)
    return matches


def mismatches_exhausted(account: Account) -> bool:
    """Whether nothing may be asked any more about that person, for today."""
    return RequestStep.objects.mismatches_of(account).made_since(timezone.now() - DAY).count() >= MAX_MISMATCHES


@transaction.atomic
def attach_account(*, request: AssistanceRequest, actor: Account, name: str) -> Account:
    """Say whose account the request is about: people mistype the address that they cannot use.

    `name` is an institutional address, with or without its domain, or a short name (`uid`). Raises NobodyOfThatName,
    AlreadyTaken, TakenByNobody, AlreadyClosed, and PermissionDenied for an account whose requests are not for `actor`.
    """
    held = _held_by(request, actor)
    account = _account_called(name)
    if not may_handle(actor, account):
        raise PermissionDenied
    if held.account == account:
        return account
    if held.account is not None:
        _record(held, actor, Event.REQUEST_DETACHED)
    held.account = account
    held.save(update_fields=["account"])
    _note(held, actor, StepKind.ATTACHED, Event.REQUEST_ATTACHED, account=account)
    return account


@transaction.atomic
def close_request(*, request: AssistanceRequest, actor: Account, outcome: RequestState, note: str = "") -> None:
    """Be done with it: solved, refused, or told twice. Raises AlreadyTaken, TakenByNobody, AlreadyClosed."""
    held = _held_by(request, actor)
    held.state, held.closed_at = outcome, timezone.now()
    held.save(update_fields=["state", "closed_at"])
    _note(held, actor, StepKind(outcome.value), Event.REQUEST_CLOSED, note=note)


@transaction.atomic
def reopen_request(*, request: AssistanceRequest, actor: Account) -> None:
    """Go on with a request that was closed too early. Raises StillOpen."""
    held = _held(request, actor)
    if held.is_open:
        raise StillOpen
    held.closed_at = None
    _give_to(held, actor)
    _note(held, actor, StepKind.REOPENED, Event.REQUEST_REOPENED)


def _held(request: AssistanceRequest, actor: Account) -> AssistanceRequest:
    """The request as it is now, its row and that of its account held. What is read after the wait is what the other
    agent left. Raises PermissionDenied, AboutAnotherAccount."""
    account = None
    if request.account_id is not None:
        account = Account.objects.select_for_update(of=("self",)).get(pk=request.account_id)
    held = AssistanceRequest.objects.select_for_update(of=("self",)).get(pk=request.pk)
    if held.account_id != request.account_id:
        raise AboutAnotherAccount
    if not may_handle(actor, account):
        raise PermissionDenied
    held.account = account
    return held


def _held_open(request: AssistanceRequest, actor: Account) -> AssistanceRequest:
    held = _held(request, actor)
    if held.closed_at is not None:
        raise AlreadyClosed(held.closed_at)
    return held


def _held_by(request: AssistanceRequest, actor: Account) -> AssistanceRequest:
    held = _held_open(request, actor)
    if held.taken_by is None:
        raise RequestNotTaken
    if held.taken_by_id != actor.pk:
        raise _taken(held)
    return held


def _account_called(name: str) -> Account:
    found = accounts_by_name([name]) or accounts_by_name([f"{name}@{settings.UNIVERSITY_DOMAINS[0]}"])
    account = next(iter(found.values()), None)
    if account is None or account.erased_at is not None:
        raise UnknownAccountName
    return account


def _taken(held: AssistanceRequest) -> AlreadyTaken:
    assert held.taken_by is not None
    assert held.taken_at is not None
    return AlreadyTaken(held.taken_by, held.taken_at)


def _give_to(held: AssistanceRequest, actor: Account) -> None:
    """In hand, as it is or anew; what was tried stays tried."""
    if held.state != RequestState.CALL_TRIED:
        held.state = RequestState.TAKEN
    held.taken_by, held.taken_at = actor, timezone.now()
    held.save(update_fields=["state", "taken_by", "taken_at", "closed_at"])


def _note(
    held: AssistanceRequest,
    actor: Account,
    kind: StepKind,
    event: Event,
    *,
    outcome: str = "",
    note: str = "",
    account: Account | None = None,
) -> None:
    """Add a step; the journal says the same, without the words of the agent and without what matched (HLP-04)."""
    RequestStep.objects.create(request=held, actor=actor, kind=kind, outcome=outcome, note=note, account=account)
    _record(held, actor, event)


def _record(request: AssistanceRequest, actor: Account, event: Event) -> None:
    record_event(account=request.account, actor=actor, event=event, request=request.pk, reference=request.reference)
