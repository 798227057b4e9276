"""How long requests of assistance, and what agents leave behind, are kept (PRV-05)."""

from collections.abc import Sequence
from datetime import datetime

from accounts.erasing import also_erased
from accounts.models import Account
from assistance.agents.imports.keeping import let_go
from assistance.agents.imports.models import CONTENT_KEPT_FOR, HrImport
from assistance.agents.models import EnrolmentCode
from assistance.models import AssistanceRequest
from outbox.retention import Rows, purged


@also_erased
def forget_requests(accounts: Sequence[Account]) -> None:
    """Whoever wrote them, they are about these people."""
    AssistanceRequest.objects.filter(account__in=accounts).delete()


def without_facts(requests: list[AssistanceRequest]) -> None:
    """The request stays; what only helped to find the file goes (PRV-04)."""
    pks = [request.pk for request in requests]
    AssistanceRequest.objects.filter(pk__in=pks).update(ine_typed="", birth_date_typed=None)


@purged("assistance-facts", after="RETENTION_ASSISTANCE_FACTS_DAYS", by=without_facts)
def facts_of_closed_requests(limit: datetime) -> Rows:
    """INE and birth date of requests that were closed."""
    return AssistanceRequest.objects.closed_before(limit).exclude(ine_typed="", birth_date_typed__isnull=True)


@purged("assistance-requests", after="RETENTION_ASSISTANCE_DAYS")
def closed_requests(limit: datetime) -> Rows:
    """Requests that were closed."""
    return AssistanceRequest.objects.closed_before(limit)


def let_go_of_each(imports: list[HrImport]) -> None:
    """The row stays, and says that nobody has confirmed it in time."""
    for hr_import in imports:
        let_go(hr_import, agent=None)


@purged("hr-files", after=None, by=let_go_of_each)
def old_hr_files(limit: datetime) -> Rows:
    """Uploaded HR files, full of private addresses; each hour a task looks for them too."""
    return HrImport.objects.idle_since(limit - CONTENT_KEPT_FOR)


@purged("hr-imports", after="RETENTION_IMPORTS_DAYS")
def ended_hr_imports(limit: datetime) -> Rows:
    """Imports that are over, with their reports."""
    return HrImport.objects.filter(ended_at__lt=limit)


@purged("enrolment-codes", after=None)
def expired_enrolment_codes(limit: datetime) -> Rows:
    """What nobody has typed in time."""
    return EnrolmentCode.objects.filter(expires_at__lt=limit)
