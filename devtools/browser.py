"""`python -m devtools.browser`: root installs Debian's Chromium for the browser tests; others get a warning without."""

import os
import shutil
from pathlib import Path

from devtools.packages import install

NAMES = ("chromium", "chromium-browser", "google-chrome")
LEFT_OUT = """
*****************************************************************************************
**  No Chromium on this machine: THE BROWSER TESTS ARE LEFT OUT.                        **
**  Install one named chromium, chromium-browser or google-chrome to run them.          **
*****************************************************************************************
"""


def find() -> Path | None:
    return next((Path(path) for name in NAMES if (path := shutil.which(name))), None)


def main() -> None:
    if not find() and os.geteuid() == 0:
        print("Installing Chromium for the browser tests…", flush=True)
        install("chromium")
    if not find():
        print(LEFT_OUT, flush=True)


if __name__ == "__main__":
    main()
