"""Signed-in sessions: how they begin, how long they last, how they end elsewhere (SES-01, SES-04, SES-05)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, login, update_session_auth_hash
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.auth.session_backend import SEEN_AT, SIGNED_IN_AT
from accounts.models import Account, Session
from accounts.services import record_login
from core.security_log import log_security_event
from journal.events import Event
from journal.services import record_event

#: What a row of the table says.
SessionData = Mapping[str, Any]

CONFIRMED_AT = "password_confirmed_at"
SECOND_FACTOR_AT = "second_factor_at"
#: How long a password just given vouches for who is at the keyboard (SES-08).
CONFIRMATION_LASTS = timedelta(minutes=5)
# Not each request has to write the session again: every minute, where half an hour of waiting ends it.
NOTED_TIMES = 30


def start_session(request: HttpRequest, account: Account, **how: str) -> None:
    """Sign the person in: a new key, and nothing of the anonymous session is kept (SES-01). The journal keeps `how`."""
    request.session.flush()
    login(request, account)
    record_login(account=account, **how)


def record_session_start(sender: type[Account], request: HttpRequest, user: Account, **kwargs: object) -> None:
    """Write into a session that somebody has just signed in to when that was; the log has a line of it (LOG-01)."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = _now()
    log_security_event("session_created", outcome="success", account=user.pk)


def renew_session(request: HttpRequest, account: Account) -> None:
    """Go on in this browser, under a new key, after a change that has ended the other sessions of `account` (SES-01).

    Since when it lasts is kept: a session has its eight hours once.
    """
    update_session_auth_hash(request, account)
    confirm_password(request)


def is_expired(request: HttpRequest) -> bool:
    """Whether a signed-in session waited, or lasted, longer than the settings allow (SES-04)."""
    return SESSION_KEY in request.session and not _can_be_used(request.session)


def idle_seconds(session: SessionBase | SessionData) -> int:
    """How long a session may wait: less once an agent has given a code in it."""
    limit = settings.AGENT_IDLE_SECONDS if SECOND_FACTOR_AT in session else settings.SESSION_IDLE_SECONDS
    return int(limit)


def mark_second_factor(request: HttpRequest) -> None:
    """Note that an agent has just given a code: from now on the shorter times count."""
    request.session[SECOND_FACTOR_AT] = _now()


def record_activity(request: HttpRequest) -> None:
    """Remember that the session was used, to a thirtieth of the time that it may wait."""
    now = _now()
    if SESSION_KEY in request.session and now - request.session[SEEN_AT] >= settings.SESSION_IDLE_SECONDS / NOTED_TIMES:
        request.session[SEEN_AT] = now


def confirm_password(request: HttpRequest) -> None:
    """Note that whoever is here has just given the password."""
    request.session[CONFIRMED_AT] = _now()


def password_is_confirmed(request: HttpRequest) -> bool:
    """Whether the password was given in this session within the last five minutes (SES-08)."""
    age = _now() - request.session.get(CONFIRMED_AT, 0)
    return bool(age < CONFIRMATION_LASTS.total_seconds())


def open_sessions(account: Account) -> list[Session]:
    """The person's sessions that can still be used, the one used last first."""
    sessions = Session.objects.filter(account=account, expire_date__gt=timezone.now()).order_by("-last_seen_at")
    return [session for session in sessions if _can_be_used(session.get_decoded())]


@transaction.atomic
def end_session(*, account: Account, handle: str) -> bool:
    """End one of the person's sessions from elsewhere; False when it had ended already, or is somebody else's."""
    _hold(account)
    for session in Session.objects.filter(account=account):
        if session.handle == handle:
            session.delete()
            record_event(account=account, actor=account, event=Event.SESSION_ENDED, device=session.device)
            return True
    return False


@transaction.atomic
def end_sessions(*, account: Account, keep: str | None = None) -> int:
    """End the person's sessions, all or all but the one with the key `keep`; how many they were (SES-05)."""
    _hold(account)
    sessions = Session.objects.filter(account=account).exclude(session_key=keep)
    ended, _by_model = sessions.delete()
    return int(ended)


@transaction.atomic
def log_out_everywhere(*, account: Account, keep: str | None = None) -> int:
    """What `end_sessions` does, asked for by the person, and in the journal."""
    ended = end_sessions(account=account, keep=keep)
    if ended:
        record_event(account=account, actor=account, event=Event.SESSIONS_ENDED, sessions=ended)
    return ended


def _can_be_used(session: SessionBase | SessionData) -> bool:
    """Whether what a signed-in session says of its times is within them; less is allowed once an agent is inside."""
    now = _now()
    waited, lasted = now - session.get(SEEN_AT, 0), now - session.get(SIGNED_IN_AT, 0)
    inside = now - session.get(SECOND_FACTOR_AT, now)
    return bool(
        waited < idle_seconds(session)
        and lasted < settings.SESSION_LONGEST_SECONDS
        and inside < settings.AGENT_LONGEST_SECONDS
    )


def _hold(account: Account) -> None:
    """Let no session of the account begin, or change its key, until the end of the transaction."""
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)


def _now() -> int:
    return int(timezone.now().timestamp())
