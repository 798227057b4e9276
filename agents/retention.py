from datetime import datetime

from agents.models import EnrolmentCode
from core.retention import Rows, retention_rule


@retention_rule("enrolment-codes", after=None)
def expired_enrolment_codes(limit: datetime) -> Rows:
    return EnrolmentCode.objects.filter(expires_at__lt=limit)
