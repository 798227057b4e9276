"""The Celery application: `celery -A config worker`, `celery -A config beat`."""

import logging
import os
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.contrib.django.task import DjangoTask
from celery.schedules import crontab
from celery.signals import before_task_publish, celeryd_init, heartbeat_sent, setup_logging
from django.conf import settings
from django.utils.log import configure_logging
from kombu import Queue
from kombu.transport.redis import Channel

from core.request_context import RequestContext, current_request_context, use_request_context
from monitoring.heartbeats import record_heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


#: Header of a task.
REQUEST_ID = "portal_request_id"
HEARTBEAT_TASK = "monitoring.tasks.prove_that_tasks_run"


class PortalTask(DjangoTask):
    """Runs with the request context of a worker.

    The request id of its log lines and journal entries is that of the request that caused it, else the task's own.

    Acknowledged before it runs: the tables hold the state, and the sweeps find what a killed worker left. A late
    acknowledgement that meets an unreachable broker would stop the worker or interrupt a mail.
    """

    acks_late = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        task_id = self.request.id or ""
        request_id = self.request.get(REQUEST_ID) or task_id
        with use_request_context(RequestContext(source="worker", request_id=request_id, task_id=task_id)):
            return super().__call__(*args, **kwargs)


# Do not requeue when a connection ends: kombu 5.7 would stop the worker when Redis is unreachable, and the sweeps find
# the rows anyway.
Channel.do_restore = False

# In seconds. Drops what beat has queued while no worker ran; longer than the clocks of two machines may differ.
SWEEP_EXPIRY = {"expires": 300}
BULK_TASKS = (
    "outbox.tasks.send_due_messages",
    "privacy.tasks.purge_old_data",
    "accounts.tasks.announce_closings",
    "activation.tasks.remind",
    "hr_feed.tasks.run_hr_imports",
    "hr_feed.tasks.discard_old_hr_files",
)

app = Celery("portal", task_cls=PortalTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    broker_transport_options={
        "socket_connect_timeout": 1,
        "socket_timeout": 5,
        "queue_order_strategy": "priority",
        "visibility_timeout": 600,
        # A publisher does not wait for an unreachable broker; workers reconnect by broker_connection_max_retries.
        "max_retries": 0,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # What a Redis answers that is full or has become a replica: the worker would stop.
    broker_channel_error_retry=True,
    task_publish_retry=False,
    task_ignore_result=True,
    task_time_limit=600,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    accept_content=["json"],
    # A worker consumes all of them: a target that hangs must not hold up mails, so one process at a time writes to it.
    task_queues=(Queue("urgent"), Queue("bulk"), Queue("provisioning")),
    task_default_queue="urgent",
    task_routes={
        **{name: {"queue": "bulk"} for name in BULK_TASKS},
        "provisioning.tasks.*": {"queue": "provisioning"},
    },
    timezone="Europe/Paris",
    beat_schedule={
        "purge": {"task": "privacy.tasks.purge_old_data", "schedule": crontab(hour="3", minute="17")},
        "closing-notices": {"task": "accounts.tasks.announce_closings", "schedule": crontab(hour="7", minute="30")},
        "activation-reminders": {"task": "activation.tasks.remind", "schedule": crontab(hour="8", minute="0")},
        "ended-sessions": {"task": "accounts.tasks.forget_ended_sessions", "schedule": timedelta(hours=6)},
        "recovery-addresses": {
            "task": "accounts.tasks.apply_due_replacements",
            "schedule": timedelta(minutes=1),
            "options": SWEEP_EXPIRY,
        },
        "outbox-sweep": {
            "task": "outbox.tasks.send_due_messages",
            "schedule": timedelta(seconds=20),
            "options": SWEEP_EXPIRY,
        },
        "link-requests-sweep": {
            "task": "activation.tasks.answer_waiting_link_requests",
            "schedule": timedelta(seconds=20),
            "options": SWEEP_EXPIRY,
        },
        "hr-files-sweep": {
            "task": "hr_feed.tasks.run_hr_imports",
            "schedule": timedelta(seconds=20),
            "options": SWEEP_EXPIRY,
        },
        "provisioning-sweep": {
            "task": "provisioning.tasks.sweep",
            "schedule": timedelta(seconds=5),
            "options": SWEEP_EXPIRY,
        },
        # After the ends of contracts at midnight; also finds changed settings.
        "provisioning-comparison": {
            "task": "provisioning.tasks.compare_all",
            "schedule": crontab(hour="0", minute="1"),
        },
        "heartbeat": {"task": HEARTBEAT_TASK, "schedule": timedelta(seconds=20), "options": SWEEP_EXPIRY},
        "old-hr-files": {"task": "hr_feed.tasks.discard_old_hr_files", "schedule": timedelta(hours=1)},
    },
)
app.autodiscover_tasks()


@before_task_publish.connect
def pass_request_id_on(headers: dict[str, Any], **options: object) -> None:
    headers[REQUEST_ID] = current_request_context().request_id


# Before: beat lives although the broker takes nothing.
@before_task_publish.connect(sender=HEARTBEAT_TASK)
def record_that_beat_runs(**options: object) -> None:
    record_heartbeat("beat")


@heartbeat_sent.connect
def record_that_a_worker_listens(**options: object) -> None:
    record_heartbeat("worker")


# A worker may log warnings before it sets up its log.
@celeryd_init.connect
@setup_logging.connect
def configure_celery_logging(**options: object) -> None:
    """Log as the web does, instead of Celery's own format."""
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    logging.captureWarnings(True)
