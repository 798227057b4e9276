"""Look the dependencies of production up in the database of known vulnerabilities: `python -m devtools.audit`.

Ends with 1 when something is known, and with 0 when nothing is, or when the database is out of reach: that is said
loudly, and is no reason to stop.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from devtools.environment import PROJECT

LOCK = PROJECT / "requirements.txt"
SECONDS = 60.0
SECONDS_FOR_ONE_ANSWER = "5"
OUT_OF_REACH = """
*****************************************************************************************
**  The database of vulnerabilities is out of reach: THE DEPENDENCIES WERE NOT AUDITED. **
**  Run `make audit` again on a machine that reaches it.                                **
*****************************************************************************************
"""


class OutOfReachError(Exception):
    """No answer, or not in time."""


def main() -> int:
    """Print what is known; the exit code."""
    try:
        looked_up = audited(answer_about(LOCK))
    except OutOfReachError as why:
        print(f"{OUT_OF_REACH}{why}", flush=True)
        return 0
    known = [line for package in looked_up for line in warnings(package)]
    print(
        "\n".join([*known, f"{len(looked_up)} dependencies looked up, {len(known)} known vulnerabilities."]), flush=True
    )
    return 1 if known else 0


def answer_about(lock: Path) -> str:
    """What pip-audit says of a lock file, as JSON. Raises OutOfReachError with the last word of whatever failed."""
    command = [
        *(sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"),
        *("--format", "json", "--progress-spinner", "off", "--timeout", SECONDS_FOR_ONE_ANSWER),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as late:
        raise OutOfReachError from late
    if not done.stdout:
        raise OutOfReachError(done.stderr.strip().rpartition("\n")[2])
    return done.stdout


def audited(answer: str) -> list[dict[str, Any]]:
    """The packages that the database knows; those it does not are named. Raises OutOfReachError when it knows none."""
    try:
        packages = json.loads(answer)["dependencies"]
    except json.JSONDecodeError as nothing:
        raise OutOfReachError from nothing
    known = [package for package in packages if "vulns" in package]
    if not known:
        raise OutOfReachError
    for package in packages:
        if package not in known:
            print(f"{package['name']}: not looked up")
    return known


def warnings(package: dict[str, Any]) -> list[str]:
    """One line for each vulnerability of a package: its name, and the versions without it."""
    this = f"{package['name']} {package['version']}"
    holes = [(hole["id"], ", ".join(hole["fix_versions"]) or "no version yet") for hole in package["vulns"]]
    return [f"{this}: {name}, gone in {fixed}" for name, fixed in holes]


if __name__ == "__main__":
    sys.exit(main())
