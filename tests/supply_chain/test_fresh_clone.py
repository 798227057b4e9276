"""The commands of the README in a fresh clone, with a shared virtual environment; `.ci/run` installs one of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from devtools.postgresql_files import scratch_directory
from tests.project import PROJECT

SECONDS_TO_START = 120.0
SECONDS_TO_END = 30.0

pytestmark = [pytest.mark.slow, pytest.mark.stack, pytest.mark.xdist_group("stack")]


@pytest.fixture(scope="module")
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


def start_make(clone: Path, *arguments: str) -> subprocess.Popen[str]:
    """Without the user's settings; the virtual environment counts as installed."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    command = ["make", "--no-print-directory", "--old-file", ".venv/.installed", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=clone, env=kept, start_new_session=True, **pipes)


def output_of(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=SECONDS_TO_START)
    assert process.returncode == 0, output
    return output


class Demonstration:
    """`make run` in a terminal."""

    def __init__(self, clone: Path) -> None:
        self.printed: list[str] = []
        self.process = start_make(clone, "run")
        assert self.process.stdout
        self.reader = threading.Thread(target=self.printed.extend, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    @property
    def output(self) -> str:
        return "".join(self.printed)

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while words not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def address(self, name: str) -> str:
        found = re.search(rf"{re.escape(name)}\s+(http://\S+)", self.output)
        assert found, self.output
        return found[1].rstrip("/")

    def press_ctrl_c(self) -> None:
        """A terminal signals every process of its group."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(SECONDS_TO_END)
        self.reader.join(SECONDS_TO_END)
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture
def demonstration(clone) -> Iterator[Demonstration]:
    running = Demonstration(clone)
    yield running
    if running.process.poll() is None:
        running.press_ctrl_c()


def page(address: str) -> str:
    response = requests.get(address, timeout=20)
    response.raise_for_status()
    return response.text


def mail_to(address: str, mails: str) -> str:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        caught = json.loads(page(f"{mails}/messages.json"))
        if texts := [each["text"] for each in caught if each["recipients"] == [address]]:
            [text] = texts
            return text
        time.sleep(0.5)
    raise TimeoutError(f"no mail to {address}")


def processes_in(directory: Path) -> list[str]:
    """Command lines of the processes that work in a directory or name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if os.readlink(process / "cwd").startswith(str(directory)) or str(directory) in line:
                found.append(line)
    return found


def test_make_run_starts_everything_and_ctrl_c_leaves_nothing(clone, demonstration):
    """SUP-01: pages, mails, the link of a mail; then no process and no open port."""
    demonstration.wait_for("Arrêter / Stop: Ctrl-C")
    portal, mails = demonstration.address("Portail / Portal"), demonstration.address("E-mails retenus / Caught mails")
    assert "Compte informatique" in page(f"{portal}/")
    assert page(f"{portal}/sante/pret") == "prêt\n"
    [style] = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page(f"{portal}/connexion/"))
    assert "--" in page(f"{portal}{style}")
    [link] = set(re.findall(rf"{re.escape(portal)}/activation/\S+", mail_to("camille.durand@exemple.net", mails)))
    assert "Camille" in page(link)
    assert processes_in(clone)
    demonstration.press_ctrl_c()
    assert "Arrêt… / Stopping…" in demonstration.output
    assert processes_in(clone) == []
    for address in (portal, mails):
        with pytest.raises(requests.ConnectionError):
            page(address)


def test_make_lists_its_targets_and_runs_the_tests_that_are_named(clone):
    targets = re.findall(r"^([a-z-]+):", (clone / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[1] for line in output_of(start_make(clone)).splitlines()} == set(targets)
    output = output_of(start_make(clone, "test", "ARGS=tests/test_contrast.py -n0 -q"))
    assert re.search(r"^\d+ passed in", output, re.MULTILINE), output
