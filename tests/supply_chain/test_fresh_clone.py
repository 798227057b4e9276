"""The two commands of the README, in a fresh clone.

`.ci/run` installs in a clone of its own; here the virtual environment is shared.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from devtools.postgresql_files import scratch_directory

PROJECT = Path(__file__).resolve().parents[2]
SECONDS_TO_START = 120.0
SECONDS_TO_END = 30.0

pytestmark = [pytest.mark.slow, pytest.mark.stack, pytest.mark.xdist_group("stack")]


@pytest.fixture(scope="module")
def clone() -> Iterator[Path]:
    """What is committed, in a directory that PostgreSQL's own user may pass through."""
    scratch = scratch_directory()
    there = scratch.path / "clone"
    done = subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(there)], capture_output=True, text=True)
    if done.returncode:
        scratch.remove()
        pytest.skip(f"NO GIT HERE, THE COMMANDS OF THE README ARE NOT TRIED IN A FRESH CLONE: {done.stderr}")
    (there / ".venv").symlink_to(sys.prefix)
    yield there
    scratch.remove()


def make(*arguments: str) -> list[str]:
    """A command line of make that takes for granted what is lent: the environment is not to be built again."""
    return ["make", "--no-print-directory", "--old-file", ".venv/.installed", *arguments]


def bare_environment() -> dict[str, str]:
    """Of somebody who has set nothing."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


class Demonstration:
    """`make run` in a terminal."""

    def __init__(self, clone: Path) -> None:
        self.clone = clone
        self.printed: list[str] = []
        self.process = subprocess.Popen(
            make("run"),
            cwd=clone,
            env=bare_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.printed.extend(self.process.stdout)

    @property
    def said(self) -> str:
        return "".join(self.printed)

    def wait_until_it_says(self, words: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while words not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)

    def address(self, name: str) -> str:
        found = re.search(rf"{re.escape(name)}\s+(http://\S+)", self.said)
        assert found, self.said
        return found[1].rstrip("/")

    def press_ctrl_c(self) -> None:
        """The terminal tells every process of its group."""
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
    answer = requests.get(address, timeout=20)
    answer.raise_for_status()
    return answer.text


def mail_to(address: str, mails: str) -> str:
    """The text of the one mail to somebody, once the worker has sent it."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        caught = json.loads(page(f"{mails}/messages.json"))
        if texts := [each["text"] for each in caught if each["recipients"] == [address]]:
            [text] = texts
            return text
        time.sleep(0.5)
    raise TimeoutError(f"no mail to {address}")


def at_work_in(directory: Path) -> list[str]:
    """The command lines of the processes whose files are there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            here = os.readlink(process / "cwd").startswith(str(directory)) or str(directory) in line
        except OSError:
            continue
        if here:
            found.append(line)
    return found


def test_make_run_starts_everything_and_ctrl_c_leaves_nothing(clone, demonstration):
    """SUP-01: pages, mails, the link of a mail; then no process and no open port."""
    demonstration.wait_until_it_says("Arrêter / Stop: Ctrl-C")
    portal, mails = demonstration.address("Portail / Portal"), demonstration.address("E-mails retenus / Caught mails")

    assert "Compte informatique" in page(f"{portal}/")
    assert page(f"{portal}/sante/pret") == "prêt\n"
    [style] = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page(f"{portal}/connexion/"))
    assert "--" in page(f"{portal}{style}")
    [link] = set(re.findall(rf"{re.escape(portal)}/activation/\S+", mail_to("camille.durand@exemple.net", mails)))
    assert "Camille" in page(link)
    assert at_work_in(clone)

    demonstration.press_ctrl_c()

    assert "Arrêt… / Stopping…" in demonstration.said
    assert at_work_in(clone) == []
    for address in (portal, mails):
        with pytest.raises(requests.ConnectionError):
            page(address)


def test_make_test_runs_the_tests_that_are_named(clone):
    line = make("test", "ARGS=tests/test_contrast.py -n0 -q")
    done = subprocess.run(line, cwd=clone, env=bare_environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed in", done.stdout, re.MULTILINE), done.stdout


def test_make_alone_says_what_can_be_made(clone):
    done = subprocess.run(make(), cwd=clone, env=bare_environment(), capture_output=True, text=True, check=True)
    targets = re.findall(r"^([a-z-]+):", (clone / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[1] for line in done.stdout.splitlines()} == set(targets)
