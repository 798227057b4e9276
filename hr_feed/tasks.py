"""What the worker does for the agents. Tasks carry keys only, or nothing: the tables say what waits."""

from celery import shared_task

from hr_feed.uploads import expiry as keeping
from hr_feed.uploads import jobs as working


# A file of 300,000 lines on a slow server takes more than the ten minutes of other tasks.
@shared_task(time_limit=3600)
def work_on_hr_files() -> None:
    """Preview or import the HR file that waits, then make room for others before the next one."""
    if working.work_on_next():
        work_on_hr_files.delay()


@shared_task
def let_go_of_old_hr_files() -> None:
    """Delete the HR files that have waited for a day (PRV-05)."""
    keeping.let_go_of_old_files()
