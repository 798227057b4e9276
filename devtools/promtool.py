"""Prometheus's promtool, which tries the alerts; no Python package brings it, Debian's package of Prometheus does."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LEFT_OUT = """
*****************************************************************************************
**  NO ALERT IS MADE TO FIRE: promtool missing
*****************************************************************************************
"""
SECONDS_TO_DOWNLOAD = 120.0
OWN = Path(sys.prefix) / "bin" / "promtool"


def promtool() -> Path | None:
    found = shutil.which("promtool", path=OWN.parent) or shutil.which("promtool")
    return Path(found) if found else None


def download() -> None:
    """Unpack it from the package; installing that would start a service. A missing network or apt is not an error."""
    with tempfile.TemporaryDirectory() as directory:
        for command in (("apt-get", "update", "-qq"), ("apt-get", "download", "-qq", "prometheus")):
            try:
                subprocess.run(command, cwd=directory, capture_output=True, timeout=SECONDS_TO_DOWNLOAD)
            except (OSError, subprocess.TimeoutExpired):
                return
        for package in Path(directory).glob("prometheus_*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, directory], check=True)
            shutil.move(Path(directory) / "usr/bin/promtool", OWN)


if __name__ == "__main__":
    if not promtool():
        print("Downloading Prometheus's promtool for the tests of the alerts…", flush=True)
        download()
    if not promtool():
        print(LEFT_OUT, flush=True)
