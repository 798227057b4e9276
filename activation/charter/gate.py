"""Who has to accept the charter before going on: looked up once, at sign-in, and remembered in the session (PRV-01).

A version published later in the session waits for the next sign-in: nobody is stopped in the middle of something.
"""

from django.http import HttpRequest

from accounts.models import Account
from activation.models import Charter

CHARTER_DUE_KEY = "charter_due"


def check_charter_at_login(sender: type[Account], request: HttpRequest, user: Account, **kwargs: object) -> None:
    """Remember in the new session that the charter in force waits for this person."""
    if Charter.objects.is_due_from(user):
        request.session[CHARTER_DUE_KEY] = True


def is_charter_due(request: HttpRequest) -> bool:
    """Whether this session has to stop at the charter; without a query."""
    return CHARTER_DUE_KEY in request.session


def clear_charter_due(request: HttpRequest) -> None:
    """Let this session go on."""
    request.session.pop(CHARTER_DUE_KEY, None)
