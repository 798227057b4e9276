from datetime import datetime

from core.retention import Rows, retention_rule
from hr_feed.models import CONTENT_KEPT_FOR, HrImport
from hr_feed.uploads.expiry import discard


def discard_each(imports: list[HrImport]) -> None:
    for hr_import in imports:
        discard(hr_import, agent=None)


@retention_rule("hr-files", after=None, by=discard_each)
def old_hr_files(limit: datetime) -> Rows:
    """A task looks for them every hour, too."""
    return HrImport.objects.idle_since(limit - CONTENT_KEPT_FOR)


@retention_rule("hr-imports", after="RETENTION_IMPORTS_DAYS")
def ended_hr_imports(limit: datetime) -> Rows:
    return HrImport.objects.filter(ended_at__lt=limit)
