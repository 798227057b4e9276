"""The commands of the README in a fresh clone, with a shared virtual environment; `.ci/run` installs one of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from devtools.postgresql_files import scratch_directory
from devtools.processes import wait_until
from tests.project import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.stack, pytest.mark.xdist_group("stack")]


@pytest.fixture
def clone() -> Iterator[Path]:
    """In a directory that PostgreSQL's own user may traverse."""
    scratch = scratch_directory()
    folder = scratch.path / "clone"
    done = subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(folder)], capture_output=True, text=True)
    if done.returncode:
        scratch.remove()
        pytest.skip(f"WITHOUT GIT THE COMMANDS OF THE README ARE NOT TRIED IN A FRESH CLONE: {done.stderr}")
    (folder / ".venv").symlink_to(sys.prefix)
    yield folder
    scratch.remove()


def page(address: str) -> str:
    response = requests.get(address, timeout=20)
    response.raise_for_status()
    return response.text


def processes_in(directory: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if os.readlink(process / "cwd").startswith(str(directory)) or str(directory) in line:
                found.append(line)
    return found


def test_make_run_starts_everything_and_ctrl_c_leaves_nothing(clone, tmp_path):
    """SUP-01: pages, mails, the link of a mail; then no process and no open port."""
    log, command = tmp_path / "make-run.log", ["make", "--no-print-directory", "--old-file", ".venv/.installed", "run"]
    # Without the user's settings; the virtual environment counts as installed.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    with log.open("wb") as output:
        running = subprocess.Popen(command, cwd=clone, env=kept, start_new_session=True, stdout=output, stderr=output)
    try:
        wait_until(lambda: "Arrêter / Stop: Ctrl-C" in log.read_text() or running.poll() is not None, log)
        [portal] = re.findall(r"Portail / Portal\s+(http://\S+[^/\s])", log.read_text())
        [mails] = re.findall(r"E-mails retenus / Caught mails\s+(http://\S+[^/\s])", log.read_text())
        assert "Compte informatique" in page(f"{portal}/")
        assert page(f"{portal}/sante/pret") == "prêt\n"
        [style] = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page(f"{portal}/connexion/"))
        assert "--" in page(f"{portal}{style}")
        wait_until(lambda: "camille.durand@exemple.net" in page(f"{mails}/messages.json"), log)
        caught = requests.get(f"{mails}/messages.json", timeout=20).json()
        [text] = [mail["text"] for mail in caught if mail["recipients"] == ["camille.durand@exemple.net"]]
        [link] = set(re.findall(rf"{re.escape(portal)}/activation/\S+", text))
        assert "Camille" in page(link)
        assert processes_in(clone)
    finally:
        # A terminal signals every process of its group.
        os.killpg(running.pid, signal.SIGINT)
        running.wait(30)
    assert "Arrêt… / Stopping…" in log.read_text()
    assert processes_in(clone) == []
    for address in (portal, mails):
        with pytest.raises(requests.ConnectionError):
            page(address)
