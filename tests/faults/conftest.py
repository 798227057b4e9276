from tests.faults.http_client import client  # noqa: F401
from tests.faults.machine import machine, the_machine  # noqa: F401
from tests.faults.spare_worker import running_spare, spare  # noqa: F401
from tests.faults.tally import tally  # noqa: F401
from tests.stack import running_stack, stack  # noqa: F401
