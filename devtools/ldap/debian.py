"""Unpacks programs from Debian's packages into the virtual environment. Needs apt, a network, and no root."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from devtools.postgresql_files import lasting_directory

#: Where the user that servers run as can reach it.
ROOT = lasting_directory(Path(sys.prefix) / "debian")
SECONDS_TO_DOWNLOAD = 180.0


def unpacked(program: str) -> Path | None:
    path = ROOT / program
    return path if path.exists() else None


def unpack(*packages: str) -> None:
    """Download the packages and those they need that this machine lacks. A missing network or apt is not an error."""
    with tempfile.TemporaryDirectory() as directory:
        # apt refuses to download into a directory that its own user cannot reach, with a warning only.
        Path(directory).chmod(0o755)
        try:
            _run(directory, "apt-get", "update", "-qq")
            # `--simulate` needs no root.
            plan = _run(directory, "apt-get", "install", "--simulate", "--no-install-recommends", *packages)
            needed = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
            _run(directory, "apt-get", "download", "-qq", *(needed or packages))
        except (OSError, subprocess.SubprocessError):
            return
        ROOT.mkdir(exist_ok=True)
        for package in Path(directory).glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, ROOT], check=True)


def environment() -> dict[str, str]:
    """In which the unpacked programs find their libraries."""
    libraries = sorted({path.parent for path in (ROOT / "usr/lib").rglob("*.so*")})
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def _run(directory: str, *command: str) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=SECONDS_TO_DOWNLOAD)
    if command[1] != "update" and done.returncode:
        raise subprocess.SubprocessError(done.stderr)
    return done.stdout
