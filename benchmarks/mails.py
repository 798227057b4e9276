"""Mails through the outbox and real worker processes, against one Celery task for each mail and a bare SMTP loop.

Each mail is made, signed and recorded one by one under a lease. The mail server is a process of its own that keeps
nothing. In the environment, `MAILS` is how many are sent in a round (1,000), `WAITING_MAILS` how many wait while single
links are asked for (50,000).
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from smtplib import SMTP
from statistics import median
from subprocess import PIPE, STDOUT, Popen
from time import monotonic, perf_counter

from django.db import connection
from django.utils import timezone

from accounts.models import Account
from activation.enums import LinkRequestKind
from activation.services import request_link
from benchmarks.accounts import newcomers
from benchmarks.serving import PRODUCTION, PROJECT, proportional_kib, reset_rate_limits
from benchmarks.timing import ROUNDS, seconds, up_to_the_cores
from core.celery import enqueue_on_commit
from devtools.processes import LOOPBACK, children, start, stop, wait_until
from outbox import registry
from outbox import rendering as mails
from outbox.dispatch import BATCH
from outbox.enums import Kind, Priority, Status
from outbox.models import Message, MessageQuerySet
from outbox.tasks import send_due_messages, send_message

MAILS = int(os.environ.get("MAILS", "1000"))
MAILS_ONE_BY_ONE = MAILS // 3
RESENDS = 10
WAITING = int(os.environ.get("WAITING_MAILS", "50000"))
QUEUE_ACTIVATION_MAILS = """
INSERT INTO outbox_message (
    kind, person_id, address, language, priority, status, created_at, due_at, attempts, reference, provider_id, answer
)
SELECT %s, id, recovery_address, 'fr', %s, 'queued', now(), now(), 0, gen_random_uuid(), '', ''
FROM accounts_account CROSS JOIN generate_series(1, %s) WHERE hr_id LIKE 'bench-%%' AND activated_at IS NULL
LIMIT %s
"""


@dataclass(frozen=True)
class Sink:
    """The mail server."""

    port: int
    arrivals: Path

    def arrival_of(self, address: str) -> float:
        """When the first mail to that address arrived, on the monotonic clock."""
        wait_until(lambda: f" {address}\n" in self.arrivals.read_text(), self.arrivals)
        [line, *_later] = (line for line in self.arrivals.read_text().splitlines() if line.endswith(f" {address}"))
        return float(line.partition(" ")[0])


@dataclass(frozen=True)
class Worker:
    """One Celery worker with its processes."""

    process: Popen[bytes]
    log: Path

    @property
    def pids(self) -> list[int]:
        """Those that do the work; the one above them only hands it out."""
        return children(self.process.pid)

    def memory(self) -> float:
        """MiB that one of them weighs; what processes share is counted once between them (PSS)."""
        return sum(proportional_kib(pid) for pid in self.pids) / len(self.pids) / 1024


@dataclass(frozen=True)
class Round:
    """Mails a second, and MiB of a process afterwards."""

    outbox: float
    one_by_one: float
    memory: float


def measure() -> str:
    with tempfile.TemporaryDirectory(prefix="portal-mails-") as directory, sink(Path(directory)) as server:
        people = newcomers(MAILS)
        rounds = {processes: [] for processes in up_to_the_cores()}
        bare = []
        for _ in range(ROUNDS):
            bare.append(MAILS / seconds(lambda: send_bare(server, people[0])))
            for processes, measured in rounds.items():
                measured.append(measure_round(processes, server))
        waits = {processes: measure_resends(processes, server) for processes in rounds}
    return "\n".join([*throughput(rounds, median(bare)), *latency(waits)])


def throughput(rounds: dict[int, list[Round]], bare: float) -> Iterator[str]:
    speed = {processes: median(one.outbox for one in measured) for processes, measured in rounds.items()}
    for processes, measured in rounds.items():
        one_by_one = median(one.one_by_one for one in measured)
        yield (
            f"Mails, {processes} worker process(es): {speed[processes]:,.0f}/s through the outbox; "
            f"one task for each mail: {one_by_one:,.0f}/s, ratio {speed[processes] / one_by_one:.1f}; "
            f"bare SMTP loop: {bare:,.0f}/s, ratio {speed[processes] / bare:.2f}; "
            f"{median(one.memory for one in measured):.0f} MiB a process"
        )
    yield f"Mails, from one worker process to {max(speed)}: {speed[max(speed)] / speed[1]:.2f} times as many"


def latency(waits: dict[int, list[float]]) -> Iterator[str]:
    for processes, measured in waits.items():
        yield (
            f"One link asked for while {WAITING:,} mails wait, {processes} worker process(es): "
            f"{median(measured):.2f} s until the mail server has it, {max(measured):.2f} s at worst of {len(measured)}"
        )


def measure_round(processes: int, server: Sink) -> Round:
    with worker(processes, server) as running:
        outbox = mails_per_second(running, MAILS, lambda: enqueue_on_commit(send_due_messages))
        memory = running.memory()
        return Round(outbox, mails_per_second(running, MAILS_ONE_BY_ONE, enqueue_each), memory)


def measure_resends(processes: int, server: Sink) -> list[float]:
    """Seconds from the request of the public page to the mail server, during a mailing."""
    delete_mails()
    with worker(processes, server) as running:
        queue_activation_mails(WAITING)
        enqueue_on_commit(send_due_messages)
        wait_until(lambda: sent().count() > processes * BATCH, running.log)
        waits = [measure_resend(server, person) for person in newcomers(RESENDS)]
        assert Message.objects.unfinished().count() > MAILS, "the mailing ended too early: more mails have to wait"
    delete_mails()
    return waits


def measure_resend(server: Sink, person: Account) -> float:
    asked = monotonic()
    request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)
    return server.arrival_of(person.recovery_address) - asked


def mails_per_second(running: Worker, number: int, begin: Callable[[], object]) -> float:
    """From enqueuing the first task until every mail is recorded as sent."""
    delete_mails()
    queue_activation_mails(number)
    began = perf_counter()
    begin()
    wait_until(lambda: not Message.objects.unfinished().exists(), running.log)
    speed = number / (perf_counter() - began)
    assert sent().count() == number
    return speed


def sent() -> MessageQuerySet:
    return Message.objects.filter(status=Status.SENT)


def enqueue_each() -> None:
    for number in Message.objects.values_list("pk", flat=True):
        enqueue_on_commit(send_message, number)


def send_bare(server: Sink, person: Account) -> None:
    """A loop that sends as many bytes over one connection and does nothing else."""
    message = Message(kind=Kind.ACTIVATION, person=person, address=person.recovery_address)
    message.built_at = timezone.now()
    content = mails.render_email(message, registry.build_email(message)).message().as_bytes(linesep="\r\n")
    with SMTP(LOOPBACK, server.port) as smtp:
        for _ in range(MAILS):
            smtp.sendmail("compte@univ-exemple.fr", person.recovery_address, content)


@contextmanager
def sink(directory: Path) -> Iterator[Sink]:
    arrivals = directory / "arrivals"
    process = start([sys.executable, "-m", "benchmarks.smtp_sink", arrivals], cwd=PROJECT, stdout=PIPE)
    try:
        yield Sink(int(process.stdout.readline()), arrivals)
    finally:
        stop(process, SIGTERM, patience=1)
        process.stdout.close()


@contextmanager
def worker(processes: int, server: Sink) -> Iterator[Worker]:
    """A worker as `docker-compose.yml` has it."""
    reset_rate_limits()
    environment = {**os.environ, **PRODUCTION, "EMAIL_URL": f"smtp://{LOOPBACK}:{server.port}"}
    command = ["celery", "--quiet", "--app", "config", "worker", "--loglevel", "INFO", "--concurrency", str(processes)]
    log = server.arrivals.with_name("worker.log")
    with log.open("wb") as output:
        process = start(command, cwd=PROJECT, env=environment, stdout=output, stderr=STDOUT)
    try:
        wait_until(lambda: " ready." in log.read_text(), log)
        yield Worker(process, log)
    finally:
        stop(process, SIGTERM, patience=20)


def queue_activation_mails(number: int) -> None:
    """So many activation mails, to the same people again where there are more mails than people."""
    with connection.cursor() as cursor:
        times = -(-number // MAILS)
        cursor.execute(QUEUE_ACTIVATION_MAILS, [Kind.ACTIVATION, Priority.BULK, times, number])


def delete_mails() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM outbox_message")
        cursor.execute("VACUUM ANALYZE outbox_message")
