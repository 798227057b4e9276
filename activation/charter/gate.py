"""Whether the user has to accept the charter: looked up once, at login, and kept in the session.

A version published later is asked for at the next login, so that no user is interrupted.
"""

from django.http import HttpRequest

from accounts.models import Account
from activation.models import Charter

CHARTER_DUE_KEY = "charter_due"


def check_charter_at_login(sender: type[Account], request: HttpRequest, user: Account, **kwargs: object) -> None:
    if Charter.objects.is_due_from(user):
        request.session[CHARTER_DUE_KEY] = True


def is_charter_due(request: HttpRequest) -> bool:
    return CHARTER_DUE_KEY in request.session


def clear_charter_due(request: HttpRequest) -> None:
    request.session.pop(CHARTER_DUE_KEY, None)
