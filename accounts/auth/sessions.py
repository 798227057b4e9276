"""Signed-in sessions: start, idle and absolute limits, end."""

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

#: The decoded data of a session.
SessionData = Mapping[str, Any]

CONFIRMED_AT = "password_confirmed_at"
SECOND_FACTOR_AT = "second_factor_at"
#: Of the latest code, in a session that was verified before.
CODE_GIVEN_AT = "second_factor_code_at"
#: Sensitive forms do not ask again for a password given within this period.
PASSWORD_CONFIRMATION_PERIOD = timedelta(minutes=5)
CODE_CONFIRMATION_PERIOD = timedelta(minutes=5)
#: Activity is written this many times per idle limit (every minute of thirty), not on each request.
ACTIVITY_WRITES_PER_IDLE_LIMIT = 30


def start_session(request: HttpRequest, account: Account, **how: str) -> None:
    """Log the account in under a new key, without the data of the anonymous session. `how` goes into the journal."""
    request.session.flush()
    login(request, account)
    record_login(account=account, **how)


def record_session_start(sender: type[Account], request: HttpRequest, user: Account, **kwargs: object) -> None:
    """Receiver of `user_logged_in`."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = _now()
    log_security_event("session_created", outcome="success", account=user.pk)


def renew_session(request: HttpRequest, account: Account) -> None:
    """Change the key of this session after a new password, which has ended the others. Its absolute limit stays."""
    update_session_auth_hash(request, account)
    confirm_password(request)


def is_expired(request: HttpRequest) -> bool:
    return SESSION_KEY in request.session and not _is_within_limits(request.session)


def idle_seconds(session: SessionBase | SessionData) -> int:
    """The idle limit, which is shorter after a second factor."""
    limit = settings.AGENT_IDLE_SECONDS if SECOND_FACTOR_AT in session else settings.SESSION_IDLE_SECONDS
    return int(limit)


def mark_second_factor(request: HttpRequest) -> None:
    """From now on the shorter limits of agents apply."""
    request.session[SECOND_FACTOR_AT] = _now()


def record_activity(request: HttpRequest) -> None:
    now = _now()
    if (
        SESSION_KEY in request.session
        and now - request.session[SEEN_AT] >= settings.SESSION_IDLE_SECONDS / ACTIVITY_WRITES_PER_IDLE_LIMIT
    ):
        request.session[SEEN_AT] = now


def confirm_password(request: HttpRequest) -> None:
    request.session[CONFIRMED_AT] = _now()


def password_is_confirmed(request: HttpRequest) -> bool:
    age = _now() - request.session.get(CONFIRMED_AT, 0)
    return bool(age < PASSWORD_CONFIRMATION_PERIOD.total_seconds())


def confirm_code(request: HttpRequest) -> None:
    """Not `mark_second_factor`: the session does not last longer."""
    request.session[CODE_GIVEN_AT] = _now()


def code_is_confirmed(request: HttpRequest) -> bool:
    """Whether a code of the second factor was given within the last minutes, at the sign-in or since."""
    given_at = max(request.session.get(SECOND_FACTOR_AT, 0), request.session.get(CODE_GIVEN_AT, 0))
    return bool(_now() - given_at < CODE_CONFIRMATION_PERIOD.total_seconds())


def open_sessions(account: Account) -> list[Session]:
    """Not expired, the one used last first."""
    sessions = Session.objects.filter(account=account, expire_date__gt=timezone.now()).order_by("-last_seen_at")
    return [session for session in sessions if _is_within_limits(session.get_decoded())]


@transaction.atomic
def end_session(*, account: Account, handle: str) -> bool:
    """False when it had ended already, or belongs to another account."""
    _lock(account)
    for session in Session.objects.filter(account=account):
        if session.handle == handle:
            session.delete()
            record_event(account=account, actor=account, event=Event.SESSION_ENDED, device=session.device)
            return True
    return False


@transaction.atomic
def end_sessions(*, account: Account, keep: str | None = None) -> int:
    """End all sessions but the one with the key `keep`; how many they were."""
    _lock(account)
    sessions = Session.objects.filter(account=account).exclude(session_key=keep)
    ended, _by_model = sessions.delete()
    return int(ended)


@transaction.atomic
def log_out_everywhere(*, account: Account, keep: str | None = None) -> int:
    """`end_sessions` by the account owner, recorded in the journal."""
    ended = end_sessions(account=account, keep=keep)
    if ended:
        record_event(account=account, actor=account, event=Event.SESSIONS_ENDED, sessions=ended)
    return ended


def _is_within_limits(session: SessionBase | SessionData) -> bool:
    now = _now()
    idle, age = now - session.get(SEEN_AT, 0), now - session.get(SIGNED_IN_AT, 0)
    age_as_agent = now - session.get(SECOND_FACTOR_AT, now)
    return bool(
        idle < idle_seconds(session)
        and age < settings.SESSION_LONGEST_SECONDS
        and age_as_agent < settings.AGENT_LONGEST_SECONDS
    )


def _lock(account: Account) -> None:
    """No session of the account may start or change its key until the end of the transaction.

    Not `Account.objects.lock`: the account is not read again, and bulk locks end sessions one account at a time.
    """
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)


def _now() -> int:
    return int(timezone.now().timestamp())
