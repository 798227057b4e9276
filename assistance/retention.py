from collections.abc import Sequence
from datetime import datetime

from accounts.models import Account
from assistance.models import AssistanceRequest
from core.retention import Rows, retention_rule
from outbox.enums import Kind
from outbox.models import Message
from privacy.erasure import register_erasure


@register_erasure
def erase_requests(accounts: Sequence[Account]) -> None:
    """With the acknowledgement mails, which name no person but hold the contact address."""
    requests = AssistanceRequest.objects.filter(account__in=accounts)
    Message.objects.filter(kind=Kind.ASSISTANCE_RECEIVED, subject_id__in=requests.values("pk")).delete()
    requests.delete()


def erase_facts(requests: list[AssistanceRequest]) -> None:
    pks = [request.pk for request in requests]
    AssistanceRequest.objects.filter(pk__in=pks).update(ine_typed="", birth_date_typed=None)


@retention_rule("assistance-facts", after="RETENTION_ASSISTANCE_FACTS_DAYS", by=erase_facts)
def facts_of_closed_requests(limit: datetime) -> Rows:
    return AssistanceRequest.objects.closed_before(limit).exclude(ine_typed="", birth_date_typed__isnull=True)


@retention_rule("assistance-requests", after="RETENTION_ASSISTANCE_DAYS")
def closed_requests(limit: datetime) -> Rows:
    return AssistanceRequest.objects.closed_before(limit)
