"""The Celery application with a schedule in seconds: `celery -A tests.quick_beat beat`."""

from datetime import timedelta

from config.celery import app

for entry in app.conf.beat_schedule.values():
    entry["schedule"] = timedelta(seconds=1)
