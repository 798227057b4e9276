from celery import shared_task

from privacy.purge import purge


@shared_task
def purge_old_data() -> None:
    purge()
