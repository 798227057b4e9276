"""The portal as processes on this machine: started by `make run`; started, killed and silenced by tests."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from devtools.environment import PROJECT
from devtools.processes import leashed, start, stop, tail

SECONDS_TO_STOP = 10.0


class ServiceFailedError(Exception):
    """A process has ended; the message ends with the last lines of its log."""


class Services:
    """Processes by name, each with a log of that name."""

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        self.environment = environment
        self.logs = logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str, pass_fds: Sequence[int] = (), **variables: str) -> None:
        """Start a long-running process unless it runs; the variables are added to its environment."""
        if name in self.processes and self.processes[name].poll() is None:
            return
        environment = {**self.environment, **variables}
        with self.log(name).open("wb") as log:
            self.processes[name] = start(
                command, env=environment, cwd=PROJECT, stdout=log, stderr=log, pass_fds=pass_fds
            )

    def run(self, name: str, *command: str) -> None:
        """Run a command. Raises ServiceFailedError."""
        with self.log(name).open("wb") as log:
            done = subprocess.run(leashed(command), env=self.environment, cwd=PROJECT, stdout=log, stderr=log)
        if done.returncode:
            raise self.failure(name, done.returncode)

    def check(self) -> None:
        """Raises ServiceFailedError when a process has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise self.failure(name, process.returncode)

    def failure(self, name: str, code: int) -> ServiceFailedError:
        log = self.log(name)
        return ServiceFailedError(
            f"« {name} » s’est arrêté (code {code}). / “{name}” ended (code {code}).\n{log} :\n\n{tail(log)}"
        )

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def stop(self, name: str) -> None:
        """Stop a process, if it was started."""
        if name in self.processes:
            stop(self.processes.pop(name), signal.SIGTERM, patience=SECONDS_TO_STOP)

    def kill(self, name: str) -> None:
        """`kill -9` of a process with its children, as a crash of the machine would."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop_all(self) -> None:
        """Stop all processes at once."""
        for process in self.processes.values():
            process.terminate()
        deadline = time.monotonic() + SECONDS_TO_STOP
        while self.processes:
            _name, process = self.processes.popitem()
            stop(process, patience=max(0.0, deadline - time.monotonic()))
