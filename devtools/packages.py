"""Installs Debian's packages of programs that no Python package brings; for root only."""

import os
import subprocess

COMMANDS = (("apt-get", "update", "-qq"), ("apt-get", "install", "-qq", "-y", "--no-install-recommends"))
SECONDS_TO_INSTALL = 300.0


def install(*packages: str) -> None:
    """Try, and start no service; a missing network or apt is not an error."""
    update, add = COMMANDS
    for command in (update, (*add, *packages)):
        try:
            subprocess.run(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS_TO_INSTALL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return
