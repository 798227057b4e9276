"""The Django session of an activation: its account, the state the link was opened on, since when.

Answers are facts of the account: a lost session loses none.
"""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils import timezone

from accounts.links.signed_link import OpenedLink
from accounts.models import Account
from activation.links import activation_link
from activation.querysets import account_with_facts, lock_account_with_facts

SESSION_ITEM = "activation"
FINISHED_ITEM = "activation_finished"
REFUSED_ITEM = "activation_refused"
LAST_PAGE_SECONDS = 15 * 60
# Saving the session at each request would cost a write a page.
SAVE_INTERVAL_SECONDS = 60


class MissingSession(Exception):
    """There is no wizard session, or it has expired: the link has to be opened again."""


class StaleSession(Exception):
    """The account has changed since the link was opened: activated elsewhere, corrected, locked."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account


@dataclass(frozen=True, slots=True)
class WizardSession:
    """Times are seconds since the epoch; `deadline` is the link's."""

    account_id: int
    fingerprint: str
    deadline: int
    opened_at: int
    seen_at: int
    begun: bool = False

    @property
    def link_expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.deadline, tz=UTC)

    def has_expired(self, now: int) -> bool:
        is_idle = now - self.seen_at >= settings.WIZARD_IDLE_SECONDS
        return is_idle or now - self.opened_at >= settings.WIZARD_LONGEST_SECONDS


def start_session(request: HttpRequest, link: OpenedLink) -> WizardSession:
    """Start the wizard session of a valid link, or resume it; any other session of this browser ends."""
    now = _now()
    earlier = _stored(request)
    resumes = earlier is not None and (earlier.account_id, earlier.fingerprint) == (link.account.pk, link.fingerprint)
    begun = earlier is not None and resumes and earlier.begun and not earlier.has_expired(now)
    if resumes:
        request.session.cycle_key()
    else:
        # Saving the response creates the new key.
        request.session.flush()
        # A form still open on another person's page must not post into this session.
        rotate_token(request)
    session = WizardSession(link.account.pk, link.fingerprint, int(link.deadline.timestamp()), now, now, begun)
    _store(request, session)
    return session


def mark_begun(request: HttpRequest, session: WizardSession) -> None:
    """Record that the button of the first page was pressed. Idempotent."""
    _store(request, replace(session, begun=True))


def current_session(request: HttpRequest) -> WizardSession:
    """The wizard session of this request. Raises MissingSession."""
    session, now = _stored(request), _now()
    if session is None or session.has_expired(now):
        raise MissingSession
    if now - session.seen_at >= SAVE_INTERVAL_SECONDS:
        _store(request, replace(session, seen_at=now))
    return session


def session_account(session: WizardSession) -> Account:
    """The account with its answers as they are now. Raises MissingSession, StaleSession."""
    return _checked(session, account_with_facts(session.account_id))


def lock_session_account(session: WizardSession) -> Account:
    """The same, its row locked until the end of the transaction: concurrent POSTs run one after the other."""
    return _checked(session, lock_account_with_facts(session.account_id))


def finish(request: HttpRequest, account: Account) -> None:
    """End the session; the last page stays readable for a while, since phones reload pages put aside."""
    request.session.flush()
    request.session[FINISHED_ITEM] = {"account_id": account.pk, "until": _now() + LAST_PAGE_SECONDS}


def finished_account_id(request: HttpRequest) -> int | None:
    """The account that has just been activated in this browser."""
    finished = request.session.get(FINISHED_ITEM)
    return finished["account_id"] if finished and _now() < finished["until"] else None


def skip_session_save(request: HttpRequest) -> None:
    """Do not save the session: another tab may have deleted it, and saving a deleted session is an error."""
    request.session.modified = False


def remember_refusal(request: HttpRequest, **facts: object) -> None:
    """Keep why a link was refused for the next page, whose URL has no token."""
    request.session.flush()
    request.session[REFUSED_ITEM] = facts


def refusal(request: HttpRequest) -> dict[str, object] | None:
    """Why the last link opened in this browser was refused."""
    facts: dict[str, object] | None = request.session.get(REFUSED_ITEM)
    return facts


def _checked(session: WizardSession, account: Account | None) -> Account:
    if account is None:
        raise MissingSession
    if account.is_locked or account.is_closed or not activation_link.matches_fingerprint(account, session.fingerprint):
        raise StaleSession(account)
    return account


def _stored(request: HttpRequest) -> WizardSession | None:
    stored = request.session.get(SESSION_ITEM)
    return WizardSession(**stored) if stored else None


def _store(request: HttpRequest, session: WizardSession) -> None:
    request.session.pop(REFUSED_ITEM, None)
    request.session[SESSION_ITEM] = asdict(session)


def _now() -> int:
    return int(timezone.now().timestamp())
