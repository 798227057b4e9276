"""`tests.quick_beat` on a machine whose clock is 90 seconds late: `celery -A tests.late_beat beat` (AVL-07)."""

from datetime import UTC, datetime, timedelta

import time_machine

from tests.quick_beat import app  # noqa: F401 - what -A asks for

time_machine.travel(datetime.now(UTC) - timedelta(seconds=90)).start()
