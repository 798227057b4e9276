"""Run a command with a temporary PostgreSQL and Redis:

    python -m devtools.with_servers pytest tests/accounts

The command gets their addresses in DATABASE_URL and REDIS_URL; a server whose variable is set already is not started.
The exit code is the command's, or 128 plus the number of the signal that ended it.
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
    if not command:
        sys.exit("usage: python -m devtools.with_servers COMMAND [ARGUMENT...]")
    # SIGINT too: in a background job of a shell it starts out ignored.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)
    with ExitStack() as servers:
        try:
            urls = server_urls(servers)
        except ServerStartError as failure:
            sys.exit(str(failure))
        return run(command, local_environment(**urls))


def leave(number: int, _frame: FrameType | None) -> NoReturn:
    """Exit through the `with` blocks, which stop the servers."""
    sys.exit(128 + number)


def server_urls(servers: ExitStack) -> dict[str, str]:
    """Start the servers that the environment does not name and return their addresses. Raises ServerStartError."""
    urls = {}
    if not os.environ.get("DATABASE_URL"):
        urls["DATABASE_URL"] = servers.enter_context(PostgreSQL()).url
    if not os.environ.get("REDIS_URL"):
        urls["REDIS_URL"] = servers.enter_context(Redis()).url
    return urls


def run(command: Sequence[str], environment: dict[str, str]) -> int:
    process = subprocess.Popen(leashed(command), env=environment)
    forward_signals(process)
    code = process.wait()
    return code if code >= 0 else 128 - code


def forward_signals(process: subprocess.Popen[bytes]) -> None:
    """Forward signals: the command decides when to end, and the servers stop after it."""

    def forward(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGHUP, forward)
    # A terminal sends Ctrl-C to the command too; a second SIGINT would interrupt its cleanup.
    signal.signal(signal.SIGINT, signal.SIG_IGN if os.isatty(0) else forward)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
