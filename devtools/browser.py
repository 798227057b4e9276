"""`python -m devtools.browser`: root installs Debian's Chromium for the browser tests; others get a warning without."""

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
COMMANDS = (
    ("apt-get", "update", "-qq"),
    ("apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium"),
)
SECONDS_TO_INSTALL = 300.0
LEFT_OUT = """
*****************************************************************************************
**  No Chromium on this machine: THE BROWSER TESTS ARE LEFT OUT.                        **
**  Install one named chromium, chromium-browser or google-chrome to run them.          **
*****************************************************************************************
"""


def find() -> Path | None:
    return next((Path(path) for name in NAMES if (path := shutil.which(name))), None)


def install() -> None:
    """Try to install Chromium; a missing network or apt is not an error."""
    for command in COMMANDS:
        try:
            subprocess.run(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS_TO_INSTALL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return


def main() -> None:
    if not find() and os.geteuid() == 0:
        print("Installing Chromium for the browser tests…", flush=True)
        install()
    if not find():
        print(LEFT_OUT, flush=True)


if __name__ == "__main__":
    main()
