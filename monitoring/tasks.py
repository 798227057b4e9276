from celery import shared_task

from monitoring.heartbeats import record_heartbeat


@shared_task
def prove_that_tasks_run() -> None:
    record_heartbeat("task")
