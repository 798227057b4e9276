from celery import shared_task

from privacy import purge as purging


@shared_task
def purge_old_data() -> None:
    """Let go of whatever has been kept long enough (PRV-05)."""
    purging.purge()
