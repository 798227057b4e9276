from collections.abc import Iterable
from typing import Any

from django.db import transaction

from core.request_context import current_request_context, use_request_context
from core.security_log import Outcome, log_security_event
from journal.events import Event
from journal.models import JournalEntry
from journal.signals import events_recorded

# AUTH_USER_MODEL; this app imports no other.
User = Any
#: Suffix of failures in the OWASP vocabulary.
FAILURE = "_fail"
_REVOKED, _SENSITIVE, _PRIVILEGE = "authn_token_revoked", "sensitive_update", "privilege_permissions_changed"
#: Further OWASP names of an event; tokens are mailed links, which the event revokes.
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
    """Record `event` on `account`, with the request context. `details` must be JSON and hold no secret.

    Call it in the transaction of the change. The security log gets a line, without details, when that commits.
    """
    context = current_request_context()
    entry = JournalEntry.objects.create(
        account=account,
        actor=actor,
        event=event,
        source=context.source,
        client_address=context.client_address,
        device=context.device,
        request_id=context.request_id,
        details=details,
    )
    log_journal_event(event, account=entry.account_id, actor=entry.actor_id)
    events_recorded.send(JournalEntry, event=event)
    return entry


def record_events(
    *, accounts: Iterable[User], event: Event, actor: User | None = None, **details: object
) -> list[JournalEntry]:
    """`record_event` for many accounts, in one statement."""
    context = current_request_context()
    entries = JournalEntry.objects.bulk_create(
        JournalEntry(
            account=account,
            actor=actor,
            event=event,
            source=context.source,
            client_address=context.client_address,
            device=context.device,
            request_id=context.request_id,
            details=details,
        )
        for account in accounts
    )
    for entry in entries:
        log_journal_event(event, account=entry.account_id, actor=entry.actor_id)
    events_recorded.send(JournalEntry, event=event)
    return entries


def log_journal_event(event: Event, **facts: int | None) -> None:
    """Log the event when the transaction commits, with the context of now."""
    context = current_request_context()
    outcome: Outcome = "failure" if event.value.endswith(FAILURE) else "success"
    also = {"also": ALSO[event]} if event in ALSO else {}

    # Not a lambda: Django logs the name when it fails.
    def write() -> None:
        with use_request_context(context):
            log_security_event(event.value, outcome=outcome, **facts, **also)

    transaction.on_commit(write, robust=True)
