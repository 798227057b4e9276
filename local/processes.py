"""Child processes that never outlive us, and the ports and directories they need."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

LEASH = Path(__file__).with_name("leash.py")

LOOPBACK = "127.0.0.1"


def leashed(
    command: Sequence[str | Path], *, user: str | None = None, at_our_death: signal.Signals = signal.SIGTERM
) -> list[str]:
    """The command line that runs `command` and sends it `at_our_death` even if we die of `kill -9`."""
    prefix = [sys.executable, "-I", "-S", str(LEASH), str(int(at_our_death)), str(os.getpid()), user or "-"]
    return prefix + [str(part) for part in command]


def start(
    command: Sequence[str | Path],
    *,
    user: str | None = None,
    at_our_death: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own: a Ctrl-C in our terminal reaches us and not it."""
    line = leashed(command, user=user, at_our_death=at_our_death)
    return subprocess.Popen(line, start_new_session=True, **options)


def stop(process: subprocess.Popen[bytes], *signals: signal.Signals, patience: float) -> None:
    """Send the signals in turn, `patience` seconds apart, then SIGKILL, until the process has ended."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


def listen(preferred: int = 0) -> socket.socket:
    """Listen on a loopback port: the first free one from `preferred` on, or any."""
    if not preferred:
        return socket.create_server((LOOPBACK, 0))
    for port in range(preferred, 65536):
        with suppress(OSError):
            return socket.create_server((LOOPBACK, port))
    raise OSError(f"no free port from {preferred} on")


def free_port(preferred: int = 0) -> int:
    """A port that `listen` would take now; somebody else may be faster with it."""
    with listen(preferred) as listener:
        return int(listener.getsockname()[1])


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log file, to be shown to a person."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
