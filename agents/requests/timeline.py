"""What happened to a request: the steps of the agents, and what became of its account meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from accounts.models import Account
from assistance.enums import Fact, StepKind
from assistance.models import AssistanceRequest, RequestStep
from journal.events import Event
from journal.models import JournalEntry

#: What an agent wants to see beside the steps.
OF_THE_ACCOUNT = (
    Event.LOCKED,
    Event.RELEASED,
    Event.USER_ACTIVATED,
    Event.USER_REACTIVATED,
    Event.PASSWORD_RESET,
    Event.RECOVERY_ADDRESS_CHANGED,
    Event.RECOVERY_ADDRESS_CORRECTED,
)
#: Whoever looks further opens the account.
MOST_ENTRIES = 50
COLON = "\N{NO-BREAK SPACE}: "


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """One line; `by` is None when it was not an agent, `about` an account that the line names."""

    at: datetime
    what: str
    by: Account | None = None
    note: str = ""
    about: Account | None = None


def request_timeline(request: AssistanceRequest) -> list[TimelineLine]:
    """The lines, the latest first."""
    told = [*_steps(request), *_entries(request)]
    return [*sorted(told, key=lambda line: line.at, reverse=True), TimelineLine(request.asked_at, "Demande reçue")]


def _steps(request: AssistanceRequest) -> Iterator[TimelineLine]:
    for step in request.steps.select_related("actor", "account").order_by("-at", "-pk"):
        about = step.account if step.kind == StepKind.ATTACHED else None
        yield TimelineLine(step.at, _words(step), step.actor, step.note, about)


def _words(step: RequestStep) -> str:
    kind = str(step.get_kind_display())
    if step.outcome in Fact.values:
        return f"{step.get_outcome_display()}{COLON}{kind.lower()}"
    return f"{kind}{COLON}{str(step.get_outcome_display()).lower()}" if step.outcome else kind


def _entries(request: AssistanceRequest) -> Iterator[TimelineLine]:
    if request.account is None:
        return
    until = request.closed_at or timezone.now()
    found = JournalEntry.objects.filter(account=request.account, event__in=OF_THE_ACCOUNT)
    meanwhile = found.filter(at__gte=request.asked_at, at__lte=until).select_related("actor").order_by("-at", "-pk")
    for entry in meanwhile[:MOST_ENTRIES]:
        yield TimelineLine(entry.at, entry.get_event_display(), entry.actor if entry.actor != request.account else None)
