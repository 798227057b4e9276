"""Read by Python before anything else when its folder is in PYTHONPATH: sets the clock of the process by CLOCK_OFFSET seconds.

Works on any machine; the processes that this one forks have the same clock.
"""

import os
from datetime import timedelta

import time_machine

time_machine.travel(timedelta(seconds=float(os.environ["CLOCK_OFFSET"])), tick=True).start()
