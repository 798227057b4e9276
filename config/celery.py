"""The Celery application: `celery -A config worker`, `celery -A config beat`."""

import logging
import os
from typing import Any

from celery import Celery
from celery.contrib.django.task import DjangoTask
from celery.signals import celeryd_init, setup_logging
from django.conf import settings
from django.utils.log import configure_logging
from kombu import Queue
from kombu.transport.redis import Channel

from core.request_context import RequestContext, use_request_context

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class PortalTask(DjangoTask):
    """A task whose acts are recorded as the worker's, and its lines in the log under one number, the task's.

    It is acknowledged before it runs: the tables are the memory, so a worker killed half-way loses nothing that the
    sweep does not find. A late acknowledgement that meets a dead broker would end the worker or cut a mail (AVL-06).
    """

    acks_late = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task."""
        with use_request_context(RequestContext(source="worker", request_id=self.request.id or "")):
            return super().__call__(*args, **kwargs)


# Nothing is put back into the queues when a connection ends: kombu 5.7 would end the worker when it tries without
# Redis, and the sweep finds the row anyway (AVL-06).
Channel.do_restore = False

app = Celery("portal", task_cls=PortalTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
# Whoever publishes does not wait for a broker that is down (AVL-01); workers reconnect by a rule of their own.
app.conf.broker_transport_options = {**app.conf.broker_transport_options, "max_retries": 0}
app.conf.task_queues = (Queue("urgent"), Queue("bulk"))
app.autodiscover_tasks()


# A worker may have to warn before it sets up its log.
@celeryd_init.connect
@setup_logging.connect
def log_as_the_web_does(**asked: object) -> None:
    """Write the lines of worker and beat as the settings say; Celery would write its own kind (LOG-02)."""
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    logging.captureWarnings(True)
