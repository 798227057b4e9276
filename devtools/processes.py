"""Child processes that never outlive this one, and the ports and directories they need."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

LEASH = Path(__file__).with_name("leash.py")

LOOPBACK = "127.0.0.1"
PREFIX = "portail-compte-"
SECONDS_TO_LOCK = 60.0
#: Long enough for a busy machine.
SECONDS_TO_WAIT = 120.0


def leashed(
    command: Sequence[str | Path], *, user: str | None = None, death_signal: signal.Signals = signal.SIGTERM
) -> list[str]:
    """The command line that runs `command` and has it sent `death_signal` when this process dies, even of `kill -9`."""
    prefix = [sys.executable, "-I", "-S", str(LEASH), str(int(death_signal)), str(os.getpid()), user or "-"]
    return prefix + [str(part) for part in command]


def start(
    command: Sequence[str | Path],
    *,
    user: str | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own: Ctrl-C in the terminal does not reach it."""
    line = leashed(command, user=user, death_signal=death_signal)
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


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition: Callable[[], object], log: Path, *, seconds: float = SECONDS_TO_WAIT) -> None:
    """Poll `condition`. Raises TimeoutError with the end of the log."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing after {seconds} s; {log.name} ends with:\n{tail(log)}")
        time.sleep(0.05)


def listen(preferred: int = 0) -> socket.socket:
    """Listen on a loopback port: the first free one from `preferred` on, or any."""
    if not preferred:
        return socket.create_server((LOOPBACK, 0))
    for port in range(preferred, 65536):
        with suppress(OSError):
            return socket.create_server((LOOPBACK, port))
    raise OSError(f"no free port from {preferred} on")


def free_port(preferred: int = 0) -> int:
    """A port that is free now; another process may take it meanwhile."""
    with listen(preferred) as listener:
        return int(listener.getsockname()[1])


def tail(log: Path, lines: int = 20) -> str:
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


class ScratchDirectory:
    """A temporary directory, removed at exit; after `kill -9`, when the next one is created."""

    def __init__(self, base: Path) -> None:
        """Create a directory in `base`, where those of killed processes are removed."""
        sweep(base)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        lock = (self.path / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.remove = weakref.finalize(self, discard, self.path, lock)


def discard(directory: Path, lock: IO[str]) -> None:
    """Remove the directory, then release its lock."""
    shutil.rmtree(directory, ignore_errors=True)
    lock.close()


def sweep(base: Path) -> None:
    """Remove the scratch directories whose lock is free: their owner has died."""
    for directory in base.glob(f"{PREFIX}*"):
        with suppress(OSError), (directory / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A new one may not have been locked yet.
            if time.time() - directory.stat().st_mtime > SECONDS_TO_LOCK:
                shutil.rmtree(directory, ignore_errors=True)
