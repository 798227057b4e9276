"""Accounts at a service that the settings link; no server runs."""

import re
from html import unescape
from typing import Any

from django.conf import settings

from accounts.models import Account
from provisioning.enums import Status
from provisioning.models import Replica, Target

LDAP, WEBHOOK = "provisioning.connectors.ldap.LdapConnector", "provisioning.connectors.webhook.WebhookConnector"

#: That a password, or an account, opens or closes something outside.
PROMISE = re.compile(
    r"\b(?:ouvr\w*|connect\w*|valable\w*|utilis\w*|accès|réglez)\b[^.!?|]*\b(?:ENT|Moodle|messagerie|Wi-Fi|téléphone)\b",
    re.IGNORECASE,
)


def promises(html: str) -> bool:
    """In one block of text."""
    inline = re.sub(r"</?(?:b|a|span)\b[^>]*>", "", re.sub(r"\s+", " ", html))
    return bool(PROMISE.search(unescape(re.sub(r"<[^>]+>", "|", inline))))


def link(*paths: str) -> None:
    """Until the test or the page is over."""
    settings.PROVISIONING_CONNECTORS = list(paths or [LDAP])
    for name in ("ldap", "webhook")[: len(settings.PROVISIONING_CONNECTORS)]:
        Target.objects.get_or_create(name=name)


def replica_of(account: Account, status: Status = Status.DONE, target: str = "ldap", **facts: Any) -> Replica:
    """As a worker has left it."""
    done = {"applied": 1, "state": account.state.value, "applied_at": account.activated_at}
    values = {"status": status, "wanted": 1, **(done if status is Status.DONE else {}), **facts}
    return Replica.objects.update_or_create(account=account, target_id=target, defaults=values)[0]
