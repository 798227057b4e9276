"""Tells a service of the university that an account changed (Standard Webhooks), and nothing about the person."""

import json
import uuid
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from django.conf import settings
from standardwebhooks import Webhook

from accounts.enums import State
from provisioning.connector import Applied, Connector, Later, Outcome, Refused, Seen, TargetDown, Wanted
from provisioning.connectors.http import HttpClient
from provisioning.facts import ERASED, Facts

GONE = 410
#: Of the service as a whole: a wrong secret or address, too many requests, nothing behind the proxy.
DOWN = {401, 403, 404, 429, 502, 503, 504}
#: What a change of state is called.
ENTERED = {
    State.ACTIVE: "account.activated",
    State.LOCKED: "account.locked",
    State.TO_REACTIVATE: "account.released",
    State.CLOSED: "account.closed",
    ERASED: "account.closed",
}
#: A service that has not heard of the account need not hear that there is none.
NOTHING_TO_TELL = (State.PENDING, State.CLOSED, ERASED)
UPDATED, PASSWORD_CHANGED = "account.updated", "account.password_changed"


class WebhookConnector(Connector):
    target = "webhook"

    def __init__(self) -> None:
        self.client = HttpClient()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.close()

    def content(self, facts: Facts) -> dict[str, Any]:
        """What `account.updated` is about; none of it is sent."""
        names = {name: text for name, text in facts.names().items() if name != "password"}
        changed_at = facts.password_changed_at
        return {
            "names": names,
            "conditions": sorted(facts.conditions()),
            "password_changed_at": changed_at.isoformat() if changed_at else "",
        }

    def write(self, wanted: Wanted, seen: Seen | None) -> Outcome:
        kind = event_type(wanted)
        if not kind:
            return Applied()
        body = json.dumps(message(wanted, kind), separators=(",", ":"))
        url = settings.PROVISIONING_WEBHOOK_URL
        answer = self.client.send("POST", url, headers=signed_headers(body), body=body)
        if answer.is_success:
            return Applied()
        if answer.status in DOWN:
            raise TargetDown(str(answer))
        return Refused(str(answer)) if answer.status == GONE else Later(str(answer))


def signed_headers(body: str) -> dict[str, str]:
    now, identifier = datetime.now(UTC), message_id(body)
    return {
        "content-type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(settings.PROVISIONING_WEBHOOK_SECRET).sign(identifier, now, body),
    }


def message_id(body: str) -> str:
    """Of the body, which is the same at each try of one version: the receiver recognises a repetition."""
    return f"msg_{uuid.uuid5(uuid.NAMESPACE_URL, f'{settings.PORTAL_URL}/{body}')}"


def message(wanted: Wanted, kind: str) -> dict[str, Any]:
    time = wanted.replica.marked_at.isoformat()
    data = {
        "id": wanted.facts.account.pk,
        "uid": wanted.uid,
        "state": wanted.facts.state,
        "version": wanted.replica.wanted,
        "time": time,
    }
    return {"type": kind, "timestamp": time, "data": data}


def event_type(wanted: Wanted) -> str:
    """From what the target was told last; empty when it has missed nothing."""
    state, known = wanted.facts.state, wanted.replica
    if state != known.state:
        if not known.state and state in NOTHING_TO_TELL:
            return ""
        return ENTERED.get(state, UPDATED)
    if wanted.facts.password_changed_at != known.password_changed_at:
        return PASSWORD_CHANGED
    return "" if wanted.digest == known.digest else UPDATED
