"""The Celery application: `celery -A config worker`, `celery -A config beat`."""

import os
from functools import partial
from typing import Any

from celery import Celery
from celery.contrib.django.task import DjangoTask
from django.db import transaction
from kombu import Queue

from accounts.origin import Origin, acting_from

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class WakingTask(DjangoTask):
    """A task that only wakes: when the broker is down the change stands, and the sweep finds the row (AVL-01)."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task; what it records comes from the worker."""
        with acting_from(Origin(source="worker")):
            return super().__call__(*args, **kwargs)

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """Call the task once the transaction commits; a broker that does not answer is logged, never raised."""
        transaction.on_commit(partial(self.delay, *args, **kwargs), robust=True)


app = Celery("portal", task_cls=WakingTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = (Queue("urgent"), Queue("bulk"))
app.autodiscover_tasks()
