"""What agents do with an HR file: send it, say yes to it, let it go, have it taken up again."""

import hashlib
from collections.abc import Iterator

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

#: Bytes of the file in one row of the database.
PART = 1 << 20


class DuplicateFile(Exception):
    """The same file is here, and waits for somebody: `hr_import`."""

    def __init__(self, hr_import: HrImport) -> None:
        super().__init__(hr_import.pk)
        self.hr_import = hr_import


class StaleImport(Exception):
    """Somebody, or another click, was faster."""


class ImportAlreadyRunning(Exception):
    """One file is imported at a time."""


def store_upload(*, file: "File[bytes]", name: str, agent: Account) -> HrImport:
    """Keep an uploaded file for the worker to preview. Raises AlreadyHere for one that is open."""
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
def approve(*, pk: int, agent: Account) -> None:
    """Have a previewed file imported. Raises NotPossibleAnyMore, or AnotherImportRuns."""
    hr_import = _held(pk)
    if hr_import.state != ImportState.PREVIEWED:
        raise StaleImport
    hr_import.state, hr_import.approved_by, hr_import.approved_at = ImportState.TO_IMPORT, agent, timezone.now()
    hr_import.attempts = hr_import.lines_done = 0
    try:
        with transaction.atomic():
            hr_import.save(update_fields=["state", "approved_by", "approved_at", "attempts", "lines_done"])
    except IntegrityError as error:
        raise ImportAlreadyRunning from error
    record_import_event(hr_import, Event.HR_IMPORT_STARTED, agent)
    enqueue_on_commit(run_hr_imports)


@transaction.atomic
def resume(*, pk: int, agent: Account) -> None:
    """Have a file whose runs have died taken up again. Raises NotPossibleAnyMore."""
    hr_import = _held(pk)
    if not hr_import.has_stopped:
        raise StaleImport
    hr_import.attempts = 0
    hr_import.save(update_fields=["attempts"])
    record_import_event(hr_import, Event.HR_IMPORT_RESUMED, agent)
    enqueue_on_commit(run_hr_imports)


@transaction.atomic
def abandon(*, pk: int, agent: Account) -> None:
    """Let a file go; what was imported of it stays. Raises NotPossibleAnyMore."""
    hr_import = _held(pk)
    if not hr_import.can_be_abandoned:
        raise StaleImport
    discard(hr_import, agent=agent)


@transaction.atomic
def record_report_download(*, hr_import: HrImport, agent: Account) -> None:
    """Record that an agent has downloaded the report."""
    record_import_event(hr_import, Event.HR_REPORT_READ, agent)


def _held(pk: int) -> HrImport:
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
