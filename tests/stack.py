"""The portal as it runs: gunicorn, a Celery worker and a Redis of their own, on the database of the tests.

A conftest.py imports `running_stack` and `stack`; its modules say `pytestmark = NEEDS_STACK`.
"""

import os
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from celery import Task
from django.db import connection
from kombu import Connection

import tests.charter  # noqa: F401 (the charter has to survive the tests that use this)
from devtools.mailcatcher import MailCatcher
from devtools.processes import LOOPBACK, listen, tail, wait_until
from devtools.servers import Redis
from devtools.services import Services

#: What the security system « siem » calls the portal with.
SECURITY_KEY = "k" * 43
NEEDS_STACK = [pytest.mark.slow, pytest.mark.stack, pytest.mark.xdist_group("stack")]
NEEDS_STACK += [pytest.mark.django_db(transaction=True)]
WORKER = ("celery", "--quiet", "-A", "config", "worker", "--loglevel", "INFO")


class Stack(Services):
    """The processes of the portal. `url` is the portal's address, `catcher` gets its mails, `redis` is its own."""

    def __init__(self, catcher: MailCatcher, directory: Path) -> None:
        self.catcher, self.directory, self.redis = catcher, directory, Redis()
        self._listener = listen()
        self.url = f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"
        super().__init__({}, directory)

    @property
    def env(self) -> dict[str, str]:
        """The environment of every process; also for a `manage.py` command that a test runs."""
        return {
            **os.environ,
            "DEBUG": "true",
            "DATABASE_URL": database_url(),
            "REDIS_URL": self.redis.url,
            "EMAIL_URL": self.catcher.url,
            "PORTAL_URL": self.url,
            "SECURITY_API_KEYS": f"siem:{sha256(SECURITY_KEY.encode()).hexdigest()}",
            "LOG_LEVEL": "INFO",
            "LOG_FORMAT": "json",
            # As in production; all of it ends before the test database does.
            "DATABASE_POOL_SIZE": "4",
            "WEB_CONCURRENCY": "1",
            "WEB_THREADS": "8",
            "PYTHONUNBUFFERED": "1",
        }

    def start_all(self) -> None:
        """Everything but beat; returns once it works. Raises TimeoutError with the end of a log."""
        if not self.redis.answers():
            self.redis.start()
        self.environment = self.env
        self.start_web()
        self.start_worker()
        wait_until(self.web_is_ready, self.log("web"))
        wait_until(self.worker_is_ready, self.log("worker"))
        # After a Redis that was away; web processes call it again before that.
        wait_until(self.worker_listens, self.log("worker"))

    def start_web(self) -> None:
        bind = f"fd://{self._listener.fileno()}"
        self.start("web", "gunicorn", "config.wsgi", "--bind", bind, pass_fds=[self._listener.fileno()])

    def start_worker(self) -> None:
        self.start("worker", *WORKER, "--concurrency", "2")

    def start_spare_worker(self, *, processes: int, **environment: str) -> None:
        """Start a worker beside the other unless it runs: for what is sent to the queue "spare", in its own environment."""
        of_its_own = ("--queues", "spare", "--hostname", "spare@%h", "--without-mingle", "--without-gossip")
        self.start("spare", *WORKER, "--concurrency", str(processes), *of_its_own, **environment)
        wait_until(lambda: self.worker_is_ready("spare"), self.log("spare"))

    def start_beat(self, name: str = "beat", **environment: str) -> None:
        """Start beat with a schedule of one second unless it runs."""
        command = ("celery", "--quiet", "-A", "tests.quick_beat", "beat", "--pidfile", "", "--schedule")
        self.start(name, *command, str(self.directory / f"{name}-schedule"), **environment)

    def start_late_beat(self) -> None:
        self.start_beat("late-beat", CLOCK_IS_LATE="yes")

    def restart_worker(self) -> None:
        self.start_worker()
        wait_until(self.worker_is_ready, self.log("worker"))

    def send(self, task: Task, *arguments: object, queue: str | None = None) -> None:
        """Publish a task to the broker of the stack, as beat does: `stack.send(send_due_messages)`."""
        with Connection(self.redis.url) as broker:
            task.apply_async(arguments, connection=broker, queue=queue)

    def web_is_ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/sante/pret", timeout=5) as response:
            return bool(response.status == 200)
        return False

    def worker_is_ready(self, name: str = "worker") -> bool:
        return " ready." in self.log(name).read_text(errors="replace")

    def worker_listens(self) -> bool:
        with redis.Redis.from_url(self.redis.url) as client:
            return any(connected["cmd"] == "brpop" for connected in client.client_list())

    def forget(self) -> None:
        """Take back what the last test left in Redis: sessions, limits, tasks; the broker's own book-keeping stays."""
        with redis.Redis.from_url(self.redis.url) as client:
            keys = [key for key in client.scan_iter() if not key.startswith(b"_kombu.")]
            if keys:
                client.delete(*keys)

    def wait_until_quiet(self) -> None:
        """Wait until no process has a transaction open, or had one a moment ago: a task has several in a row."""
        others = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        active = "(state <> 'idle' OR state_change > clock_timestamp() - interval '0.3 s')"
        busy = f"SELECT pid FROM pg_stat_activity WHERE {others} AND {active}"
        with connection.cursor() as cursor:
            wait_until(lambda: not cursor.execute(busy).fetchone(), self.log("worker"), seconds=15)

    def rest(self) -> None:
        """Let nothing of this test happen during the next one; a worker that has mails in hand sends them or is killed."""
        if not self.redis.answers():
            self.redis.start()
        self.forget()
        try:
            wait_until(lambda: not self.catcher.is_talking, self.log("worker"), seconds=2)
        except TimeoutError:
            if "worker" in self.processes:
                self.kill("worker")
        self.wait_until_quiet()

    def close(self) -> None:
        self.stop_all()
        self.redis.close()
        self._listener.close()


def database_url() -> str:
    """The database of this test process, not the one it was made beside."""
    facts = connection.settings_dict
    password = quote(str(facts["PASSWORD"]), safe="")
    return f"postgres://{facts['USER']}:{password}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"


@pytest.fixture(scope="session")
def running_stack(django_db_setup, django_db_blocker, mail_server: MailCatcher) -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="portal-stack-") as directory:
        running = Stack(mail_server, Path(directory))
        try:
            with django_db_blocker.unblock():
                running.start_all()
            yield running
        finally:
            running.close()


@pytest.fixture
def stack(running_stack: Stack, transactional_db: None) -> Iterator[Stack]:
    running_stack.start_all()
    running_stack.forget()
    yield running_stack
    # pytest shows it with the failures only.
    sys.stdout.writelines(f"--- {name}\n{tail(running_stack.log(name), 60)}\n" for name in ("web", "worker"))
    for name in ("beat", "late-beat"):
        running_stack.stop(name)
    running_stack.rest()
