from collections.abc import Sequence
from datetime import datetime

from accounts.models import Account
from assistance.models import AssistanceRequest
from core.retention import Rows, retention_rule
from privacy.erasure import register_erasure


@register_erasure
def erase_requests(accounts: Sequence[Account]) -> None:
    AssistanceRequest.objects.filter(account__in=accounts).delete()


def erase_facts(requests: list[AssistanceRequest]) -> None:
    pks = [request.pk for request in requests]
    AssistanceRequest.objects.filter(pk__in=pks).update(ine_typed="", birth_date_typed=None)


@retention_rule("assistance-facts", after="RETENTION_ASSISTANCE_FACTS_DAYS", by=erase_facts)
def facts_of_closed_requests(limit: datetime) -> Rows:
    return AssistanceRequest.objects.closed_before(limit).exclude(ine_typed="", birth_date_typed__isnull=True)


@retention_rule("assistance-requests", after="RETENTION_ASSISTANCE_DAYS")
def closed_requests(limit: datetime) -> Rows:
    return AssistanceRequest.objects.closed_before(limit)
