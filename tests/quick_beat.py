"""The Celery application with a schedule in seconds: `celery -A tests.quick_beat beat`; `CLOCK_IS_LATE` by 90 s (AVL-07)."""

import os
from datetime import UTC, datetime, timedelta

import time_machine

from config.celery import app

if "CLOCK_IS_LATE" in os.environ:
    time_machine.travel(datetime.now(UTC) - timedelta(seconds=90)).start()
for entry in app.conf.beat_schedule.values():
    entry["schedule"] = timedelta(seconds=1)
