"""Visits to the provider that have begun: kept in the visitor's own session, so that nobody else can end them."""

import secrets
from typing import TypedDict, cast

from django.contrib.sessions.backends.base import SessionBase

LOGIN_ATTEMPTS = "single_sign_on_visits"
#: Tabs that may be at the provider at one time; an older one starts again.
MAX_LOGIN_ATTEMPTS = 5


class UnknownLoginAttempt(Exception):
    """Nobody left from this session with that state: made up, used before, or another browser's."""


class LoginAttempt(TypedDict):
    """Where to go afterwards, in which language, and what the provider's answer is checked with."""

    next: str
    language: str
    secrets: dict[str, str]


def new_state() -> str:
    """What tells this visit from all others; nobody can guess it."""
    return secrets.token_urlsafe(32)


def save_attempt(session: SessionBase, state: str, visit: LoginAttempt) -> None:
    """Keep the visit until its visitor is back."""
    visits = [*session.get(LOGIN_ATTEMPTS, {}).items(), (state, visit)]
    session[LOGIN_ATTEMPTS] = dict(visits[-MAX_LOGIN_ATTEMPTS:])


def pop_attempt(session: SessionBase, state: str) -> LoginAttempt:
    """The visit that left with `state`; it ends here, whatever comes of it. Raises UnknownVisit."""
    visits = session.get(LOGIN_ATTEMPTS, {})
    if state not in visits:
        raise UnknownLoginAttempt
    visit = visits.pop(state)
    session[LOGIN_ATTEMPTS] = visits
    return cast(LoginAttempt, visit)
