"""The timeline of a request: the steps of agents, and the events of its account meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from accounts.models import Account
from assistance.enums import Fact, StepKind
from assistance.models import AssistanceRequest, RequestStep
from journal.events import Event
from journal.models import JournalEntry

#: Events of the account that matter for the request.
ACCOUNT_EVENTS = (
    Event.LOCKED,
    Event.RELEASED,
    Event.USER_ACTIVATED,
    Event.USER_REACTIVATED,
    Event.PASSWORD_RESET,
    Event.RECOVERY_ADDRESS_CHANGED,
    Event.RECOVERY_ADDRESS_CORRECTED,
)
#: The page of the account has the others.
MAX_ENTRIES = 50
COLON = "\N{NO-BREAK SPACE}: "


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """One line; `by` is the agent, if any, `about` an account that the line names."""

    at: datetime
    what: str
    by: Account | None = None
    note: str = ""
    about: Account | None = None


def request_timeline(request: AssistanceRequest) -> list[TimelineLine]:
    """The lines, newest first."""
    lines = [*_step_lines(request), *_event_lines(request)]
    return [*sorted(lines, key=lambda line: line.at, reverse=True), TimelineLine(request.asked_at, "Demande reçue")]


def _step_lines(request: AssistanceRequest) -> Iterator[TimelineLine]:
    for step in request.steps.select_related("actor", "account").order_by("-at", "-pk"):
        about = step.account if step.kind == StepKind.ATTACHED else None
        yield TimelineLine(step.at, _step_label(step), step.actor, step.note, about)


def _step_label(step: RequestStep) -> str:
    kind = str(step.get_kind_display())
    if step.outcome in Fact.values:
        return f"{step.get_outcome_display()}{COLON}{kind.lower()}"
    return f"{kind}{COLON}{str(step.get_outcome_display()).lower()}" if step.outcome else kind


def _event_lines(request: AssistanceRequest) -> Iterator[TimelineLine]:
    if request.account is None:
        return
    until = request.closed_at or timezone.now()
    found = JournalEntry.objects.filter(account=request.account, event__in=ACCOUNT_EVENTS)
    meanwhile = found.filter(at__gte=request.asked_at, at__lte=until).select_related("actor").order_by("-at", "-pk")
    for entry in meanwhile[:MAX_ENTRIES]:
        yield TimelineLine(entry.at, entry.get_event_display(), entry.actor if entry.actor != request.account else None)
