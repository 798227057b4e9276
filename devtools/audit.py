"""Look up the production dependencies in the database of known vulnerabilities: `python -m devtools.audit`.

Exits with 1 when a vulnerability is known. An unreachable database is reported loudly and exits with 0.
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
    pass


def main() -> int:
    try:
        packages = audited_packages(pip_audit_report(LOCK))
    except OutOfReachError as why:
        print(f"{OUT_OF_REACH}{why}", flush=True)
        return 0
    known = [line for package in packages for line in warnings(package)]
    print(
        "\n".join([*known, f"{len(packages)} dependencies looked up, {len(known)} known vulnerabilities."]), flush=True
    )
    return 1 if known else 0


def pip_audit_report(lock: Path) -> str:
    """pip-audit's JSON report on a lock file. Raises OutOfReachError with the last line of its errors."""
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


def audited_packages(report: str) -> list[dict[str, Any]]:
    """The packages found in the database; prints the others. Raises OutOfReachError when none was found."""
    try:
        packages = json.loads(report)["dependencies"]
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
    this = f"{package['name']} {package['version']}"
    found = [(vuln["id"], ", ".join(vuln["fix_versions"]) or "no version yet") for vuln in package["vulns"]]
    return [f"{this}: {name}, gone in {fixed}" for name, fixed in found]


if __name__ == "__main__":
    sys.exit(main())
