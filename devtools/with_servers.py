"""Run a command next to a PostgreSQL and a Redis made for it:

    python -m devtools.with_servers pytest tests/accounts

The command finds them in DATABASE_URL and REDIS_URL. Where one of these is set already, that server is used.
The exit code is the command's, or 128 and the number of the signal that ended it. Everything ends with us.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType
from typing import NoReturn

from devtools.environment import local_environment
from devtools.processes import leashed
from devtools.servers import PostgreSQL, Redis, ServerStartError


def main(command: Sequence[str]) -> int:
    """Run the command with its servers and return its exit code."""
    if not command:
        sys.exit("usage: python -m devtools.with_servers COMMAND [ARGUMENT...]")
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
    with ExitStack() as servers:
        try:
            urls = server_urls(servers)
        except ServerStartError as failure:
            sys.exit(str(failure))
        return run(command, local_environment(**urls))


def leave(number: int, _frame: FrameType | None) -> NoReturn:
    """End by way of the `with` blocks, which stop what was started."""
    sys.exit(128 + number)


def server_urls(servers: ExitStack) -> dict[str, str]:
    """Start what the environment does not name; the addresses of what was started. Raises ServerStartError."""
    urls = {}
    if not os.environ.get("DATABASE_URL"):
        urls["DATABASE_URL"] = servers.enter_context(PostgreSQL()).url
    if not os.environ.get("REDIS_URL"):
        urls["REDIS_URL"] = servers.enter_context(Redis()).url
    return urls


def run(command: Sequence[str], environment: dict[str, str]) -> int:
    """Run the command in our terminal, pass signals on to it, return its exit code."""
    process = subprocess.Popen(leashed(command), env=environment)
    pass_on_signals(process)
    code = process.wait()
    return code if code >= 0 else 128 - code


def pass_on_signals(process: subprocess.Popen[bytes]) -> None:
    """From now on the command decides when we end; our servers are stopped after it."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGHUP, pass_on)
    # A Ctrl-C in a terminal has reached the command too; a second one would cut short its own tidying up.
    signal.signal(signal.SIGINT, signal.SIG_IGN if os.isatty(0) else pass_on)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
