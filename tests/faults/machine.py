"""The portal as in production, on a PostgreSQL and a Redis of its own that a test may stop, kill, silence and empty.

A module whose tests want it imports `machine` and writes `pytestmark = ON_THE_MACHINE`. What is committed stays until the
last test: tests make people of their own, and `tests.invariants` holds for all of them, always.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import requests
from django.db import connection, connections
from psycopg.conninfo import conninfo_to_dict

from devtools import postgresql_files
from devtools.mailcatcher import MailCatcher
from devtools.processes import LOOPBACK, children, tail
from devtools.servers import PostgreSQL, Server
from tests.invariants import assert_nothing_is_half_done
from tests.stack import NEEDS_STACK, PROJECT, Stack, database_url

NEEDS_MACHINE = NEEDS_STACK
CSRF_TOKEN = "c" * 32
#: Seconds on an idle machine: the longest wait of a client, the usual and the longest wait of a load balancer (AVL-08).
LONGEST_WAIT, ALIVE_WITHIN, PATIENCE_OF_A_BALANCER = 10.0, 1.0, 5.0
visitors = count(1)


@dataclass(frozen=True)
class Answer:
    """What a browser got: status 0 when the connection broke; `at` is when it had it."""

    path: str
    status: int
    seconds: float
    at: float
    text: str = ""
    retry_after: str = ""
    location: str = ""


@dataclass
class Browser:
    """An HTTP client behind the proxy with its own address; adds each answer to `answers`."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    cookies: dict[str, str] = field(default_factory=lambda: {"__Host-csrftoken": CSRF_TOKEN})
    address: str = field(default_factory=lambda: "10.{}.{}.{}".format(*next(visitors).to_bytes(3, "big")))

    def ask(self, path: str, form: dict[str, str] | None = None) -> Answer:
        began = time.monotonic()
        try:
            response = requests.request(
                "GET" if form is None else "POST",
                f"{self.url}{path}",
                data=None if form is None else {"csrfmiddlewaretoken": self.cookies["__Host-csrftoken"], **form},
                headers=self._headers(),
                allow_redirects=False,
                timeout=60,
            )
        except requests.ConnectionError:
            return self._keep(Answer(path, 0, time.monotonic() - began, time.monotonic()))
        self.cookies |= response.cookies.get_dict()
        return self._keep(
            Answer(
                path,
                response.status_code,
                time.monotonic() - began,
                time.monotonic(),
                response.text,
                response.headers.get("Retry-After", ""),
                response.headers.get("Location", ""),
            )
        )

    def insist(self, path: str, form: dict[str, str] | None = None) -> Answer:
        """Retry while the portal is unavailable."""
        patience = time.monotonic() + 3 * LONGEST_WAIT
        while (answer := self.ask(path, form)).status in (0, 503) and time.monotonic() < patience:
            time.sleep(0.3)
        return answer

    def _headers(self) -> dict[str, str]:
        return {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Origin": self.url.replace("http://", "https://"),
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": self.address,
            "Connection": "close",
        }

    def _keep(self, answer: Answer) -> Answer:
        self.answers.append(answer)
        return answer


class Relay:
    """A TCP relay to a server of ours that can fall silent: connections stay open, new ones are taken, nothing passes."""

    def __init__(self, port: int) -> None:
        self.target, self.port = port, 0
        self._listens = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))
        self._thread.start()
        self._listens.wait()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nothing passes until the end of the block; then all that was held does."""
        self._loop.call_soon_threadsafe(self._speaks.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._speaks.set)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _live(self) -> None:
        self._loop, self._speaks, self._over = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._speaks.set()
        server = await asyncio.start_server(self._serve, LOOPBACK, 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._listens.set()
        await self._over.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.CancelledError):
            await self._speaks.wait()
            server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self.target)
            with closing(server_writer):
                await asyncio.gather(self._pass_on(reader, server_writer), self._pass_on(server_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._speaks.wait()
            writer.write(data)
        writer.close()


class Machine(Stack):
    """Web with the processes and threads of production, a worker, PostgreSQL, Redis."""

    def __init__(self, catcher: MailCatcher, directory: Path) -> None:
        super().__init__(catcher, directory)
        self.database = PostgreSQL()
        #: TCP relays in front of the servers.
        self.relays: dict[str, Relay] = {}
        #: Environment variables of processes started from now on.
        self.overrides: dict[str, str] = {}

    @property
    def env(self) -> dict[str, str]:
        """Nothing of what makes other tests cheap."""
        as_shipped = ("ARGON2_MEMORY_KIB", "WEB_CONCURRENCY", "WEB_THREADS", "DATABASE_POOL_SIZE")
        mine = {name: value for name, value in super().env.items() if name not in as_shipped}
        return {
            **mine,
            "DEBUG": "false",
            "DATABASE_URL": self._through("database", self.database),
            "REDIS_URL": self._through("redis", self.redis),
            "PORTAL_URL": self.url.replace("http://", "https://"),
            "ALLOWED_HOSTS": LOOPBACK,
            "TRUSTED_PROXIES": LOOPBACK,
            "STATIC_ROOT": str(self.directory / "static"),
            **self.overrides,
        }

    @property
    def web_processes(self) -> list[int]:
        return children(self.processes["web"].pid)

    def begin(self) -> None:
        command = [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0"]
        self.database.start()
        self.redis.start()
        self.relays = {"database": Relay(self.database.port), "redis": Relay(self.redis.port)}
        collecting = subprocess.Popen(command, cwd=PROJECT, env=self.env)
        copy_tables(database_url(), self.database.url)
        assert collecting.wait() == 0
        self.start_all()

    def reset_overrides(self) -> None:
        self.overrides = {}
        for name in list(self.processes):
            self.stop(name)

    def browser(self, answers: list[Answer] | None = None) -> Browser:
        return Browser(self.url, [] if answers is None else answers)

    def close(self) -> None:
        super().close()
        self.database.close()
        for relay in self.relays.values():
            relay.close()

    def _through(self, relay: str, server: Server) -> str:
        return server.url.replace(f":{server.port}/", f":{self.relays[relay].port}/")


def place_of(url: str) -> dict[str, str]:
    parts = conninfo_to_dict(url)
    names = {"HOST": "host", "PORT": "port", "NAME": "dbname", "USER": "user", "PASSWORD": "password"}
    return {name: str(parts[part]) for name, part in names.items()}


def copy_tables(source: str, target: str) -> None:
    """Tables, triggers and what migrations put into them: a tenth of the time that migrations take."""
    programs = postgresql_files.programs()
    dumped = subprocess.run(
        [programs / "pg_dump", "--no-owner", "--no-privileges", source], check=True, capture_output=True
    )
    load = [programs / "psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--output", os.devnull, target]
    subprocess.run(load, input=dumped.stdout, check=True)


def concurrently(acts: list[Callable[[], Any]]) -> list[Any]:
    """What each answers, all begun at the same instant in threads of their own, which leave no connection."""
    ready = threading.Barrier(len(acts))

    def act(wanted: Callable[[], Any]) -> Any:
        ready.wait(30)
        try:
            return wanted()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(act, acts))


@contextmanager
def health_probe(machine: Machine, *paths: str) -> Iterator[dict[str, list[Answer]]]:
    """What a load balancer hears during the block, by path. A process of its own, so that our threads do not slow it down."""
    heard: dict[str, list[Answer]] = {path: [] for path in paths}
    asking = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.health_probe", machine.url, *paths], cwd=PROJECT, stdin=PIPE, stdout=PIPE
    )
    assert asking.stdout
    asking.stdout.readline()
    try:
        yield heard
    finally:
        lines, _ = asking.communicate(timeout=2 * LONGEST_WAIT)
        for line in lines.splitlines():
            answer = Answer(**json.loads(line))
            heard[answer.path].append(answer)


def assert_it_stays_alive(heard: Sequence[Answer]) -> None:
    """Each answer is good, most come at once, and none later than a load balancer waits."""
    share, seconds = share_of_a_core(), sorted(answer.seconds for answer in heard)
    assert {answer.status for answer in heard} == {200}
    assert seconds[len(seconds) * 3 // 4] < ALIVE_WITHIN / share
    assert seconds[-1] < PATIENCE_OF_A_BALANCER / share


def share_of_a_core() -> float:
    """How much of one we get beside whatever else this machine does, up to a half: it did more a moment ago."""
    began, worked = time.monotonic(), time.process_time()
    while time.process_time() - worked < 0.2:
        pass
    return 0.1 / (time.monotonic() - began)


def describe(what: str, answers: Sequence[Answer], **more: object) -> str:
    failed = sum(answer.status in (0, 429) or answer.status >= 500 for answer in answers)
    longest = max(answer.seconds for answer in answers)
    facts = [f"{len(answers)} requests", f"{failed} failed", f"longest wait {longest:.1f} s"]
    return f"{what}: {', '.join([*facts, *(f'{name} {value}' for name, value in more.items())])}"


@pytest.fixture(scope="session")
def the_machine(django_db_setup: None, mail_server: MailCatcher, django_db_blocker) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="portal-machine-") as directory:
        running = Machine(mail_server, Path(directory))
        try:
            with django_db_blocker.unblock():
                running.begin()
                connection.close()
            yield running
        finally:
            running.close()


@pytest.fixture
def machine(the_machine: Machine, django_db_blocker) -> Iterator[Machine]:
    """The machine, whole; models of this test read its database. Afterwards nothing on it is half done."""
    connection.close()
    facts = connection.settings_dict
    before = dict(facts)
    if the_machine.overrides:
        the_machine.reset_overrides()
    if not the_machine.database.answers():
        the_machine.database.start()
    the_machine.start_all()
    the_machine.forget()
    facts |= place_of(the_machine.database.url)
    with django_db_blocker.unblock():
        yield the_machine
        sys.stdout.writelines(f"--- {name}\n{tail(the_machine.log(name), 60)}\n" for name in ("web", "worker"))
        assert_nothing_is_half_done()
        the_machine.rest()
        connection.close()
    facts |= before
