"""What agents do with an HR file."""

import hashlib
from collections.abc import Iterator, Sequence

from django.core.files import File
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Account
from core.celery import enqueue_on_commit
from hr_feed.models import HrFilePart, HrImport, ImportState
from hr_feed.tasks import run_hr_imports
from hr_feed.uploads.audit import record_import_event
from hr_feed.uploads.expiry import discard
from journal.events import Event

#: Bytes in one row.
PART = 1 << 20


class DuplicateFile(Exception):
    """The same file is open: `hr_import`."""

    def __init__(self, hr_import: HrImport) -> None:
        super().__init__(hr_import.pk)
        self.hr_import = hr_import


class StaleImport(Exception):
    """The state has changed meanwhile."""


class ImportAlreadyRunning(Exception):
    pass


def store_upload(*, file: "File[bytes]", name: str, agent: Account) -> HrImport:
    """Raises DuplicateFile."""
    sha256 = _sha256(file)
    try:
        with transaction.atomic():
            hr_import = HrImport.objects.create(file_name=name, size=file.size, sha256=sha256, uploaded_by=agent)
            for number, content in enumerate(_parts(file)):
                HrFilePart.objects.create(hr_import=hr_import, number=number, content=content)
            record_import_event(hr_import, Event.HR_FILE_RECEIVED, agent, size=file.size)
            enqueue_on_commit(run_hr_imports)
    except IntegrityError as error:
        raise DuplicateFile(HrImport.objects.light().filter(sha256=sha256).latest("pk")) from error
    return hr_import


@transaction.atomic
def approve(*, pk: int, agent: Account, distinct: Sequence[str] = ()) -> None:
    """`distinct`: HR numbers of new people who look like others and are not.

    Raises StaleImport, ImportAlreadyRunning.
    """
    hr_import = _locked(pk)
    if hr_import.state != ImportState.PREVIEWED:
        raise StaleImport
    hr_import.state, hr_import.approved_by, hr_import.approved_at = ImportState.TO_IMPORT, agent, timezone.now()
    hr_import.attempts = hr_import.lines_done = 0
    hr_import.distinct = list(distinct)
    try:
        with transaction.atomic():
            hr_import.save(update_fields=["state", "approved_by", "approved_at", "attempts", "lines_done", "distinct"])
    except IntegrityError as error:
        raise ImportAlreadyRunning from error
    record_import_event(hr_import, Event.HR_IMPORT_STARTED, agent, **({"distinct": list(distinct)} if distinct else {}))
    enqueue_on_commit(run_hr_imports)


@transaction.atomic
def resume(*, pk: int, agent: Account) -> None:
    """Restart a file whose runs failed too often. Raises StaleImport."""
    hr_import = _locked(pk)
    if not hr_import.has_stopped:
        raise StaleImport
    hr_import.attempts = 0
    hr_import.save(update_fields=["attempts"])
    record_import_event(hr_import, Event.HR_IMPORT_RESUMED, agent)
    enqueue_on_commit(run_hr_imports)


@transaction.atomic
def abandon(*, pk: int, agent: Account) -> None:
    """What was imported of it stays. Raises StaleImport."""
    hr_import = _locked(pk)
    if not hr_import.can_be_abandoned:
        raise StaleImport
    discard(hr_import, agent=agent)


@transaction.atomic
def record_report_download(*, hr_import: HrImport, agent: Account) -> None:
    record_import_event(hr_import, Event.HR_REPORT_READ, agent)


def _locked(pk: int) -> HrImport:
    return HrImport.objects.light().select_for_update().get(pk=pk)


def _sha256(file: "File[bytes]") -> str:
    digest = hashlib.sha256()
    for content in _parts(file):
        digest.update(content)
    return digest.hexdigest()


def _parts(file: "File[bytes]") -> Iterator[bytes]:
    file.seek(0)
    while content := file.read(PART):
        yield content
