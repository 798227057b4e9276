"""The portal behind gunicorn as in production, and what it costs to answer many browsers.

    with portal(processes=2) as server:
        measured = server.measure(visits("/connexion/", number=300), connections=16)

The servers work on the database and the Redis of the run, with production settings: DEBUG off, cached templates, static
files with a digest in their names; a proxy on loopback is trusted to have ended TLS.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from subprocess import PIPE, STDOUT, Popen, check_call, run
from urllib.parse import quote
from weakref import finalize

import redis
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.utils import timezone

from accounts.auth.session_backend import SEEN_AT, SIGNED_IN_AT, SessionStore
from accounts.models import Account
from config.env import WEB_THREADS
from devtools.processes import children, listen, start, stop, tail, wait_until

PROJECT = Path(__file__).resolve().parent.parent
HOST = "compte.univ-exemple.fr"
SESSION_COOKIE, CSRF_COOKIE = "__Host-sessionid", "__Host-csrftoken"
CSRF_TOKEN = "c" * 32
PRODUCTION = {
    "DEBUG": "false",
    "PORTAL_URL": f"https://{HOST}",
    "ALLOWED_HOSTS": HOST,
    "TRUSTED_PROXIES": "127.0.0.1",
    "EMAIL_URL": "smtp+tls://127.0.0.1:2525",
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": "json",
}
TICKS = os.sysconf("SC_CLK_TCK")
addresses = count(1)


@dataclass(frozen=True)
class Request:
    """One request: a POST when there are fields to send; the CSRF token comes by itself."""

    path: str
    fields: dict[str, str] | None = None
    expected: int = 200


@dataclass(frozen=True)
class Visit:
    """What one browser requests, one after the other, with cookies and a client address of its own."""

    requests: Sequence[Request]
    cookies: dict[str, str] = field(default_factory=dict)

    def plan(self) -> dict[str, object]:
        requests = [
            {"path": request.path, "fields": request.fields, "expected": request.expected} for request in self.requests
        ]
        return {"requests": requests, "cookies": {CSRF_COOKIE: CSRF_TOKEN, **self.cookies}, "address": new_address()}


@dataclass(frozen=True)
class Measured:
    """What the load generator saw. Times are milliseconds; CPU is that of the web processes, for one request."""

    requests: int
    seconds: float
    p50: float
    p99: float
    cpu: float
    database_cpu: float

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds


class Server:
    """One gunicorn with its processes."""

    def __init__(self, port: int, process: Popen[bytes], log: Path) -> None:
        self.port, self.process, self.log = port, process, log

    @property
    def web_processes(self) -> list[int]:
        """The worker processes, without the gunicorn master."""
        return children(self.process.pid)

    def cpu_seconds(self) -> float:
        """CPU that all its processes have used."""
        return sum(cpu_seconds(pid) for pid in [self.process.pid, *self.web_processes])

    def memory(self) -> float:
        """MiB that a web process weighs; what processes share is counted once between them (PSS)."""
        return sum(proportional_kib(pid) for pid in self.web_processes) / len(self.web_processes) / 1024

    def measure(self, visits: Sequence[Visit], *, connections: int = 16) -> Measured:
        """Make these visits. Raises AssertionError when an answer is not the expected one."""
        reset_rate_limits()
        before, database_before = self.cpu_seconds(), database_cpu_seconds()
        seen = run_load(self.port, visits, connections)
        cpu, database_cpu = self.cpu_seconds() - before, database_cpu_seconds() - database_before
        assert not seen["failures"], (seen["failures"][:3], tail(self.log, 3))
        times = sorted(seen["milliseconds"])
        return Measured(
            requests=len(times),
            seconds=seen["seconds"],
            p50=median(times),
            p99=quantiles(times, n=100)[98],
            cpu=cpu / len(times) * 1000,
            database_cpu=database_cpu / len(times) * 1000,
        )


@contextmanager
def portal(
    *, processes: int = 2, threads: int = WEB_THREADS, settings_module: str = "benchmarks.settings", **environment: str
) -> Iterator[Server]:
    """Start the portal, or the reference with another settings module, and warm it up."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as directory, listen() as listener:
        log = Path(directory) / "web.log"
        bind = f"fd://{listener.fileno()}"
        command = ["gunicorn", "config.wsgi", "--bind", bind, "--max-requests", "0"]
        environment = {
            **environment_of_servers(settings_module),
            "WEB_CONCURRENCY": str(processes),
            "WEB_THREADS": str(threads),
            **environment,
        }
        with log.open("wb") as output:
            process = start(
                command, env=environment, cwd=PROJECT, stdout=output, stderr=STDOUT, pass_fds=[listener.fileno()]
            )
        try:
            server = Server(listener.getsockname()[1], process, log)
            warm_up(server, processes)
            yield server
        finally:
            stop(process, patience=10)


def warm_up(server: Server, processes: int) -> None:
    """Wait until each process has answered, has read what it reads once, and has opened its connections."""
    wait_until(lambda: len(server.web_processes) == processes, server.log)
    run_load(server.port, [Visit([Request("/hello/"), Request("/sante/pret")])] * 20 * processes, 16)


def environment_of_servers(settings_module: str) -> dict[str, str]:
    """Production settings on the database of the run."""
    return {
        **os.environ,
        **PRODUCTION,
        "DJANGO_SETTINGS_MODULE": settings_module,
        "DATABASE_URL": database_url(),
        "STATIC_ROOT": static_files(),
    }


def database_url() -> str:
    facts = connection.settings_dict
    password = quote(str(facts["PASSWORD"]), safe="")
    return f"postgres://{facts['USER']}:{password}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"


@cache
def static_files() -> str:
    """Where the static files are, collected as for production; they go with us."""
    directory = tempfile.TemporaryDirectory(prefix="portal-static-")
    finalize(static_files, directory.cleanup)
    environment = {
        **os.environ,
        **PRODUCTION,
        "DJANGO_SETTINGS_MODULE": "benchmarks.reference_settings",
        "STATIC_ROOT": directory.name,
    }
    check_call([sys.executable, "manage.py", "collectstatic", "--noinput", "-v", "0"], cwd=PROJECT, env=environment)
    return directory.name


def run_load(port: int, visits: Sequence[Visit], connections: int) -> dict:
    """Make the visits from another process; return what it measured."""
    plan = {"port": port, "host": HOST, "connections": connections, "visits": [visit.plan() for visit in visits]}
    done = run(
        [sys.executable, "-m", "benchmarks.load"], input=json.dumps(plan).encode(), stdout=PIPE, cwd=PROJECT, check=True
    )
    return json.loads(done.stdout)


def visits(path: str, *, number: int, cookies: dict[str, str] | None = None) -> list[Visit]:
    """As many visits that look at one page."""
    return [Visit([Request(path)], cookies or {}) for _ in range(number)]


def medians(rounds: Sequence[Measured]) -> Measured:
    """Each figure's median of several rounds."""
    figures = ("seconds", "p50", "p99", "cpu", "database_cpu")
    return Measured(rounds[0].requests, *(median(getattr(one, name) for one in rounds) for name in figures))


def signed_in(account: Account, **facts: object) -> dict[str, str]:
    """The cookie of a browser in which the account is signed in; `facts` are what its session knows besides."""
    now = int(timezone.now().timestamp())
    return session_with(
        **{
            SESSION_KEY: str(account.pk),
            BACKEND_SESSION_KEY: "accounts.auth.backends.AccountBackend",
            HASH_SESSION_KEY: account.get_session_auth_hash(),
            SIGNED_IN_AT: now,
            SEEN_AT: now,
            **facts,
        }
    )


def session_with(**facts: object) -> dict[str, str]:
    """The cookie of a browser whose session knows these facts."""
    session = SessionStore()
    session.update(facts)
    session.create()
    return {SESSION_COOKIE: str(session.session_key)}


def reset_rate_limits() -> None:
    """Empty Redis, so that no rate limit slows the measurement."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()


def new_address() -> str:
    """A client address that was not used before."""
    number = next(addresses)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used, its threads included."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS


def database_cpu_seconds() -> float:
    """CPU that the processes of PostgreSQL behind open connections have used, ours left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return sum(cpu_seconds(pid) for (pid,) in cursor.fetchall())


def proportional_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
