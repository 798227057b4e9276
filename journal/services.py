"""Writing the journal: one entry in the same transaction as the change it tells."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from core.request_context import current_request_context
from core.security_log import Outcome, log_security_event
from journal.events import Event
from journal.models import JournalEntry

# A row of AUTH_USER_MODEL; this app imports no other.
User = Any
#: How the OWASP vocabulary ends the names of what failed.
FAILURE = "_fail"
_REVOKED, _SENSITIVE, _PRIVILEGE = "authn_token_revoked", "sensitive_update", "privilege_permissions_changed"
#: What an event is besides, in the OWASP vocabulary (LOG-01); a token is a mailed link, which the event kills.
ALSO: dict[Event, str] = {
    Event.LOCKED: _REVOKED,
    Event.PASSWORD_SET: _REVOKED,
    Event.PASSWORD_CHANGED: _REVOKED,
    Event.PASSWORD_RESET: _REVOKED,
    Event.RECOVERY_ADDRESS_DISPUTED: _REVOKED,
    Event.RECOVERY_CHANGE_CANCELLED: _REVOKED,
    Event.RECOVERY_CHANGE_EXPIRED: _REVOKED,
    Event.RECOVERY_ADDRESS_CORRECTED: f"{_SENSITIVE} {_REVOKED}",
    Event.RECOVERY_ADDRESS_CHANGED: f"{_SENSITIVE} {_REVOKED}",
    Event.RECOVERY_ADDRESS_RESTORED: f"{_SENSITIVE} {_REVOKED}",
    Event.REDIRECTION_CHOSEN: f"{_SENSITIVE} {_REVOKED}",
    Event.REDIRECTION_STOPPED: f"{_SENSITIVE} {_REVOKED}",
    Event.REDIRECTION_EXPIRED: _REVOKED,
    Event.ROLE_WITHDRAWN: _PRIVILEGE,
}


def record_event(*, account: User | None, event: Event, actor: User | None = None, **details: object) -> JournalEntry:
    """Record `event` on `account`. `details` must be JSON and hold no secret (PWD-08); the origin is added.

    Call it inside the transaction of the change, so that both are kept or neither is (LOG-03). The log has a line of it
    once that commits, without the details (LOG-01).
    """
    origin = current_request_context()
    entry = JournalEntry.objects.create(
        account=account,
        actor=actor,
        event=event,
        source=origin.source,
        client_address=origin.client_address,
        device=origin.device,
        request_id=origin.request_id,
        details=details,
    )
    log_journal_event(event, account=entry.account_id, actor=entry.actor_id)
    return entry


def record_events(
    *, accounts: Iterable[User], event: Event, actor: User | None = None, **details: object
) -> list[JournalEntry]:
    """Record the same `event` on each of them, as `record_event` does, in one statement."""
    origin = current_request_context()
    entries = JournalEntry.objects.bulk_create(
        JournalEntry(
            account=account,
            actor=actor,
            event=event,
            source=origin.source,
            client_address=origin.client_address,
            device=origin.device,
            request_id=origin.request_id,
            details=details,
        )
        for account in accounts
    )
    for entry in entries:
        log_journal_event(event, account=entry.account_id, actor=entry.actor_id)
    return entries


def log_journal_event(event: Event, **facts: int | None) -> None:
    """Write the line of an event into the log when the transaction commits, and none when it does not."""
    outcome: Outcome = "failure" if event.value.endswith(FAILURE) else "success"
    also = {"also": ALSO[event]} if event in ALSO else {}

    # A function with a name: Django logs the name when it fails.
    def write() -> None:
        log_security_event(event.value, outcome=outcome, **facts, **also)

    transaction.on_commit(write, robust=True)
