from tests.faults.machine import machine, running_spare, spare, the_machine  # noqa: F401
from tests.stack import running_stack, stack  # noqa: F401
