"""What the worker does for the agents. Tasks carry keys only, or nothing: the tables say what waits."""

from celery import shared_task

from hr_feed.uploads import expiry as keeping
from hr_feed.uploads import jobs as working


# A file of 300,000 lines on a slow server takes more than the ten minutes of other tasks.
@shared_task(time_limit=3600)
def run_hr_imports() -> None:
    """Preview or import the HR file that waits, then make room for others before the next one."""
    if working.run_next():
        run_hr_imports.delay()


@shared_task
def discard_old_hr_files() -> None:
    """Delete the HR files that have waited for a day (PRV-05)."""
    keeping.discard_old_files()
