"""The worker's side of an import: one file at a time, under a lease that each chunk renews.

When a run dies its lease expires; the next one starts again, and finds the imported rows unchanged.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import StringIO
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from django.db import transaction
from django.utils import timezone

from hr_feed.importer import Progress, import_feed
from hr_feed.models import LEASE, MOST_ATTEMPTS, TO_WORK_ON, HrImport, ImportState
from hr_feed.report import MOST_EXAMPLES, ImportReport, Severity
from hr_feed.uploads.audit import record_import_event, written_by
from hr_feed.uploads.sanity_checks import counts_of, foreseen_in, number_of_known_people
from journal.events import Event

logger = logging.getLogger(__name__)

#: Not known after several runs: what a dead run changed is unchanged in the next one.
OF_ONE_RUN = ("closing", "unchanged")


class LeaseLost(Exception):
    """The file was abandoned, or another run has taken it."""


def run_next() -> bool:
    """Preview or import the next file. Returns False when there is none, or another one is running."""
    hr_import = _lease_next()
    if hr_import is None:
        return False
    work = _import if hr_import.state == ImportState.TO_IMPORT else _preview
    try:
        work(hr_import)
    except LeaseLost:
        logger.warning("HR file %s: the lease was lost", hr_import.pk)
    except Exception:
        # The schedule retries it MOST_ATTEMPTS times, then an agent has to decide.
        logger.exception("HR file %s failed", hr_import.pk)
        _leased(hr_import).update(leased_until=None)
        return False
    return True


@transaction.atomic
def _lease_next() -> HrImport | None:
    """Lease one file, imports before previews."""
    waiting = list(HrImport.objects.light().to_work_on().select_for_update().order_by("pk"))
    if any(hr_import.is_running for hr_import in waiting):
        return None
    ready = [hr_import for hr_import in waiting if hr_import.attempts < MOST_ATTEMPTS]
    if not ready:
        return None
    hr_import = min(ready, key=lambda one: TO_WORK_ON.index(ImportState(one.state)))
    hr_import.leased_until = timezone.now() + LEASE
    hr_import.attempts += 1
    hr_import.save(update_fields=["leased_until", "attempts"])
    return hr_import


def _preview(hr_import: HrImport) -> None:
    known = number_of_known_people()
    with _content(hr_import) as stream:
        report = import_feed(stream, dry_run=True, progress=_lease_renewal(hr_import))
    _finish(
        hr_import,
        state=ImportState.PREVIEWED,
        attempts=0,
        foreseen=foreseen_in(report, known),
        examples={**_people(report), **_problems(report)},
        report=_csv(report),
    )


def _import(hr_import: HrImport) -> None:
    with _content(hr_import) as stream:
        report = import_feed(
            stream,
            progress=_lease_renewal(hr_import),
            actor=hr_import.approved_by,
            distinct=frozenset(hr_import.distinct),
        )
    with transaction.atomic():
        counts = _counts_of_all_runs(hr_import, report)
        _finish(
            hr_import,
            state=ImportState.DONE,
            ended_at=timezone.now(),
            done=counts,
            examples=_problems(report),
            report=_csv(report),
        )
        hr_import.parts.all().delete()
        record_import_event(hr_import, Event.HR_IMPORT_FINISHED, hr_import.approved_by, **counts)


def _lease_renewal(hr_import: HrImport) -> Progress:
    """A progress callback that renews the lease; raises LeaseLost."""

    def renew(done: int, total: int) -> None:
        until = timezone.now() + LEASE
        changed = _leased(hr_import).update(leased_until=until, lines_done=min(done, total), lines_total=total)
        if not changed:
            raise LeaseLost
        hr_import.leased_until = until

    return renew


def _finish(hr_import: HrImport, **facts: Any) -> None:
    if not _leased(hr_import).update(leased_until=None, **facts):
        raise LeaseLost


def _leased(hr_import: HrImport) -> Any:
    return HrImport.objects.filter(pk=hr_import.pk, state=hr_import.state, leased_until=hr_import.leased_until)


@contextmanager
def _content(hr_import: HrImport) -> Iterator[BinaryIO]:
    """As a temporary file."""
    with TemporaryFile() as file:
        for pk in hr_import.parts.order_by("number").values_list("pk", flat=True):
            file.write(hr_import.parts.values_list("content", flat=True).get(pk=pk))
        file.seek(0)
        yield file


def _counts_of_all_runs(hr_import: HrImport, report: ImportReport) -> dict[str, int]:
    counts, written = counts_of(report), written_by(hr_import)
    if all(counts[name] >= number for name, number in written.items()):
        return counts
    return {name: number for name, number in counts.items() if name not in OF_ONE_RUN} | written


def _people(report: ImportReport) -> dict[str, list[dict[str, Any]]]:
    return {
        "newcomers": [asdict(example) for example in report.newcomers],
        "changed": [asdict(example) for example in report.changed],
    }


def _problems(report: ImportReport) -> dict[str, list[dict[str, Any]]]:
    """The first of each severity, in the order of the file."""
    in_order = sorted(report.problems, key=lambda problem: problem.line)
    return {
        severity.value: [asdict(problem) for problem in in_order if problem.severity == severity][:MOST_EXAMPLES]
        for severity in Severity
    }


def _csv(report: ImportReport) -> str:
    file = StringIO(newline="")
    report.write_csv(file)
    return file.getvalue()
