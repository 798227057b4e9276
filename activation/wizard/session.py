"""What a browser's session remembers of an activation: whose journey, opened on which state, since when. Nothing else.

The facts of the journey are the account's; a lost session loses no answer (design §5).
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils import timezone

from accounts.links.base import OpenedLink
from accounts.models import Account
from activation import querysets as progress
from activation.links import activation_link

SESSION_ITEM = "activation"
FINISHED_ITEM = "activation_finished"
REFUSED_ITEM = "activation_refused"
SHOWN_AFTER_THE_END = 15 * 60
# Not each request has to write the session again.
NOTED_EVERY = 60


class MissingSession(Exception):
    """No journey in this session, or it waited too long: open the link again."""


class StaleSession(Exception):
    """The account has changed since the link was opened: activated elsewhere, corrected, locked."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account


@dataclass(frozen=True, slots=True)
class WizardSession:
    """One journey in one browser; times are seconds since the epoch."""

    account_id: int
    fingerprint: str
    deadline: int
    opened_at: int
    seen_at: int
    begun: bool = False

    @property
    def ends(self) -> datetime:
        """The deadline of the link that opened it."""
        return datetime.fromtimestamp(self.deadline, tz=UTC)

    def is_over(self, now: int) -> bool:
        """Whether it waited, or lasted, longer than the settings allow (SES-04)."""
        waited, lasted = now - self.seen_at, now - self.opened_at
        return waited >= settings.WIZARD_IDLE_SECONDS or lasted >= settings.WIZARD_LONGEST_SECONDS


def start_session(request: HttpRequest, link: OpenedLink) -> WizardSession:
    """Begin, or go on with, the journey that a good link opens; whoever was here before is gone (SES-01, SES-03)."""
    now = _now()
    earlier = _stored(request)
    same = earlier is not None and earlier.account_id == link.account.pk and earlier.fingerprint == link.fingerprint
    begun = earlier is not None and same and earlier.begun and not earlier.is_over(now)
    if same:
        request.session.cycle_key()
    else:
        # The key of the new session comes with the answer.
        request.session.flush()
        # A form that is still open on somebody else's page must not answer for this person.
        rotate_token(request)
    visit = WizardSession(link.account.pk, link.fingerprint, int(link.deadline.timestamp()), now, now, begun)
    _store(request, visit)
    return visit


def begin(request: HttpRequest, visit: WizardSession) -> None:
    """Note that the person has pressed the button of the first page; pressing it twice finds the same session."""
    _store(request, WizardSession(**{**asdict(visit), "begun": True}))


def current_session(request: HttpRequest) -> WizardSession:
    """The journey of this session. Raises VisitLost."""
    visit, now = _stored(request), _now()
    if visit is None or visit.is_over(now):
        raise MissingSession
    if now - visit.seen_at >= NOTED_EVERY:
        _store(request, WizardSession(**{**asdict(visit), "seen_at": now}))
    return visit


def session_account(visit: WizardSession, *, hold: bool) -> Account:
    """The account of the journey, with its answers, as it is now. Raises VisitLost, VisitOvertaken.

    `hold` keeps its row until the end of the transaction, so that double clicks and two tabs wait for each other.
    """
    account = progress.held(visit.account_id) if hold else progress.of(visit.account_id)
    if account is None:
        raise MissingSession
    if account.is_locked or account.is_closed or not activation_link.still_holds(account, visit.fingerprint):
        raise StaleSession(account)
    return account


def finish(request: HttpRequest, account: Account) -> None:
    """End the journey; the last page can still be read again for a while (a phone reloads what it put aside)."""
    request.session.flush()
    request.session[FINISHED_ITEM] = {"account_id": account.pk, "until": _now() + SHOWN_AFTER_THE_END}


def finished_account_id(request: HttpRequest) -> int | None:
    """Whose activation has just ended here."""
    finished = request.session.get(FINISHED_ITEM)
    return finished["account_id"] if finished and _now() < finished["until"] else None


def skip_session_save(request: HttpRequest) -> None:
    """Write nothing to a session that another tab may just have ended: saving it again would be an error."""
    request.session.modified = False


def remember_refusal(request: HttpRequest, **facts: object) -> None:
    """Keep why a link was refused until the page without the token is shown (TOK-09)."""
    request.session.flush()
    request.session[REFUSED_ITEM] = facts


def refusal(request: HttpRequest) -> dict[str, object] | None:
    """Why the last link opened here was refused."""
    facts: dict[str, object] | None = request.session.get(REFUSED_ITEM)
    return facts


def _stored(request: HttpRequest) -> WizardSession | None:
    stored = request.session.get(SESSION_ITEM)
    return WizardSession(**stored) if stored else None


def _store(request: HttpRequest, visit: WizardSession) -> None:
    request.session.pop(REFUSED_ITEM, None)
    request.session[SESSION_ITEM] = asdict(visit)


def _now() -> int:
    return int(timezone.now().timestamp())
