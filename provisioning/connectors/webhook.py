"""Tells a service of the university that an account changed (Standard Webhooks), and nothing about the person."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import requests
from django.conf import settings
from standardwebhooks import Webhook

from accounts.enums import State
from provisioning.connector import Applied, Connector, Later, Outcome, Refused, Seen, TargetDown, Wanted
from provisioning.facts import ERASED, Facts

#: Seconds, to connect and for the answer.
TIMEOUT = (3, 5)
GONE = 410
#: What a change of state is called.
ENTERED = {
    State.ACTIVE: "account.activated",
    State.LOCKED: "account.locked",
    State.TO_REACTIVATE: "account.released",
    State.CLOSED: "account.closed",
    ERASED: "account.closed",
}
UPDATED, PASSWORD_CHANGED = "account.updated", "account.password_changed"


class WebhookConnector(Connector):
    target = "webhook"

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
        try:
            answer = requests.post(
                settings.PROVISIONING_WEBHOOK_URL,
                data=body,
                headers=signed_headers(message_id(wanted), body),
                timeout=TIMEOUT,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise TargetDown(type(error).__name__) from error
        if answer.ok and not answer.is_redirect:
            return Applied()
        said = f"HTTP {answer.status_code}"
        return Refused(said) if answer.status_code == GONE else Later(said)


def signed_headers(identifier: str, body: str) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(settings.PROVISIONING_WEBHOOK_SECRET).sign(identifier, now, body),
    }


def message_id(wanted: Wanted) -> str:
    """The same at each try of one version: the receiver recognises a repetition."""
    version = f"{settings.PORTAL_URL}/{wanted.replica.pk}/{wanted.replica.wanted}"
    return f"msg_{uuid.uuid5(uuid.NAMESPACE_URL, version)}"


def message(wanted: Wanted, kind: str) -> dict[str, Any]:
    """The same at each try."""
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
        return ENTERED.get(state, UPDATED)
    if wanted.facts.password_changed_at != known.password_changed_at:
        return PASSWORD_CHANGED
    return "" if wanted.digest == known.digest else UPDATED
