"""Login attempts that wait for the provider's response, kept in the user's own session against login CSRF."""

import secrets
from typing import TypedDict, cast

from django.contrib.sessions.backends.base import SessionBase

LOGIN_ATTEMPTS = "sso_login_attempts"
#: One for each tab; the oldest is dropped.
MAX_LOGIN_ATTEMPTS = 5


class UnknownLoginAttempt(Exception):
    """This session has no attempt with that state: forged, used before, or of another browser."""


class LoginAttempt(TypedDict):
    """The page to go on to, its language, and the secrets that the provider's response is checked with."""

    next: str
    language: str
    secrets: dict[str, str]


def new_state() -> str:
    return secrets.token_urlsafe(32)


def save_attempt(session: SessionBase, state: str, attempt: LoginAttempt) -> None:
    attempts = [*session.get(LOGIN_ATTEMPTS, {}).items(), (state, attempt)]
    session[LOGIN_ATTEMPTS] = dict(attempts[-MAX_LOGIN_ATTEMPTS:])


def pop_attempt(session: SessionBase, state: str) -> LoginAttempt:
    """Raises UnknownLoginAttempt."""
    attempts = session.get(LOGIN_ATTEMPTS, {})
    if state not in attempts:
        raise UnknownLoginAttempt
    attempt = attempts.pop(state)
    session[LOGIN_ATTEMPTS] = attempts
    return cast(LoginAttempt, attempt)
