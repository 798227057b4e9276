"""Unlock an account, and close the requests for assistance that this solves."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.locking.unlock import unlock_account
from accounts.models import Account
from assistance.handling import AboutAnotherAccount, AlreadyClosed, close_solved_request
from assistance.models import AssistanceRequest, AssistanceRequestQuerySet


def open_requests_of(account: Account, *, led_by: AssistanceRequest | None = None) -> AssistanceRequestQuerySet:
    """Open requests about the account, and those without an account from the mailbox of `led_by`. Oldest first."""
    requests = AssistanceRequest.objects.open().select_related("taken_by").oldest_first()
    if led_by is None:
        return requests.filter(account=account)
    return requests.of_same_person(led_by).filter(Q(account=account) | Q(account=None))


@transaction.atomic
def unlock_and_close(
    *, account: Account, agent: Account, solved: Iterable[AssistanceRequest], **unlocking: Any
) -> list[AssistanceRequest]:
    """Return the requests that were closed: not those that a colleague has closed or attached elsewhere meanwhile.

    The mail of the unlock is the only one. Raises UnlockRefused.
    """
    unlock_account(account=account, agent=agent, **unlocking)
    closed = []
    for request in solved:
        with suppress(AlreadyClosed, AboutAnotherAccount):
            close_solved_request(request=request, actor=agent)
            closed.append(request)
    return closed
