from celery import shared_task

from hr_feed.uploads import expiry, jobs


# A file of 300,000 lines may take more than the ten minutes of other tasks.
@shared_task(time_limit=3600)
def run_hr_imports() -> None:
    """One file a run, so that other tasks get their turn."""
    if jobs.run_next():
        run_hr_imports.delay()


@shared_task
def discard_old_hr_files() -> None:
    expiry.discard_old_files()
