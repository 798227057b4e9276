"""Failed sign-ins in the journal, which keeps them for a year: a flood of them must not fill it."""

from accounts.models import Account
from core.rate_limits import (
    JOURNALED_FAILURES_PER_CLIENT,
    JOURNALED_FAILURES_PER_LOGIN,
    RateLimitExceeded,
    failures_within_the_hour,
)
from journal.events import Event
from journal.services import log_journal_event, record_event

#: The 100th failure without an entry gets one with their number, and the 1,000th, 10,000th…
FIRST_NUMBER = 100


def journal_failure(*, account: Account | None, login: str, client: str, **details: object) -> None:
    """One entry for each failure; beyond the limits of this hour, entries that hold the number of failures on `login`,
    existing or not. Each failure is logged.
    """
    try:
        JOURNALED_FAILURES_PER_CLIENT.hit(client)
        JOURNALED_FAILURES_PER_LOGIN.hit(login)
    except RateLimitExceeded:
        number = failures_within_the_hour(login)
        if not _gets_entry(number):
            log_journal_event(Event.SIGN_IN_FAILED, account=account.pk if account else None, actor=None)
            return
        details["failures"] = number
    record_event(account=account, event=Event.SIGN_IN_FAILED, **details)


def _gets_entry(number: int) -> bool:
    return number >= FIRST_NUMBER and str(number).strip("0") == "1"
