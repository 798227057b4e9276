"""Accounts at a real LDAP server, against `ldapadd` of the same entries on the same server.

Environment: `ENTRIES`, how many people are carried (50,000). Waits go through a real worker: from the commit until the
server accepts the new password, or refuses it.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from statistics import median, quantiles
from subprocess import STDOUT, run
from time import perf_counter, sleep

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_accounts
from accounts.models import Account
from accounts.passwords.services import set_password
from benchmarks import hr_feed
from benchmarks.accounts import A_GOOD_PASSWORD, newcomers
from benchmarks.serving import PRODUCTION, PROJECT
from benchmarks.timing import ROUNDS, seconds
from devtools.ldap import debian
from devtools.ldap.slapd import ADMIN, BIND_DN, BIND_PASSWORD, LEFT_OUT, PEOPLE, PROGRAM, Slapd
from devtools.processes import start, stop, wait_until
from journal.events import Event
from provisioning.apply import write_due
from provisioning.comparison import compare
from provisioning.connectors.ldap import LdapConnector
from provisioning.facts import read_facts
from provisioning.models import Replica
from provisioning.targets import synchronise_targets

ENTRIES = int(os.environ.get("ENTRIES", "50000"))
CLICKS = 20
LOCKED_AT_ONCE = 500
IMPORTED = int(os.environ.get("BENCH_ROWS", "50000"))


def measure() -> str:
    if not debian.unpacked(PROGRAM):
        return LEFT_OUT
    people = activated(ENTRIES)
    with Slapd() as server:
        connect_portal(server)
        loaded = seconds(write_all)
        assert Replica.objects.filter(status="done").count() == ENTRIES
        compared = seconds(lambda: [*compare(target_name="ldap", connector=LdapConnector)])
        with worker(server) as log:
            opened, closed = waits(server, people[:CLICKS])
            at_once = lock_at_once(server, people[CLICKS : CLICKS + LOCKED_AT_ONCE], log)
        linked, alone = import_seconds(server)
    added = ldapadd_seconds(people)
    return "\n".join(
        [
            (
                f"LDAP, {ENTRIES:,} entries the first time: {loaded:.0f} s; ldapadd: {added:.0f} s, "
                f"ratio {loaded / added:.1f}"
            ),
            f"LDAP, {ENTRIES:,} unchanged entries compared: {compared:.0f} s",
            f"LDAP, new password to bind: {median(opened):.2f} s, p95 {p95(opened):.2f} s",
            f"LDAP, lock to refusal: {median(closed):.2f} s, p95 {p95(closed):.2f} s",
            f"LDAP, {LOCKED_AT_ONCE} locks in one call to the last refusal: {at_once:.1f} s",
            f"HR feed with a directory linked: {linked / alone:.2f} of the time without",
        ]
    )


def p95(measured: list[float]) -> float:
    return quantiles(measured, n=20)[-1]


def activated(number: int) -> list[Account]:
    """Activated in one statement, before the directory is linked."""
    people = newcomers(number)
    hash_ = make_password(A_GOOD_PASSWORD)
    now = timezone.now()
    Account.objects.filter(pk__in=[one.pk for one in people]).update(
        password=hash_, charter_accepted_at=now, activated_at=now, password_changed_at=now
    )
    return people


def connect_portal(server: Slapd) -> None:
    for name, value in ldap_settings(server).items():
        setattr(settings, name, value)
    settings.PROVISIONING_CONNECTORS = ["provisioning.connectors.ldap.LdapConnector"]
    synchronise_targets()


def disconnect_portal() -> None:
    settings.PROVISIONING_CONNECTORS = []
    synchronise_targets()


def ldap_settings(server: Slapd) -> dict[str, str]:
    return {
        "PROVISIONING_LDAP_URL": server.url,
        "PROVISIONING_LDAP_BIND_DN": BIND_DN,
        "PROVISIONING_LDAP_PASSWORD": BIND_PASSWORD,
        "PROVISIONING_LDAP_BASE": PEOPLE,
    }


def write_all() -> None:
    while write_due(target_name="ldap", connector=LdapConnector):
        pass


def waits(server: Slapd, people: list[Account]) -> tuple[list[float], list[float]]:
    """Seconds from a new password to its first bind, and from a lock to the first refusal."""
    measured = [wait(server, person, f"girafe-tambour-lune-{number}") for number, person in enumerate(people)]
    return [opened for opened, _closed in measured], [closed for _opened, closed in measured]


def wait(server: Slapd, person: Account, password: str) -> tuple[float, float]:
    with transaction.atomic():
        set_password(account=person, password=password, event=Event.PASSWORD_CHANGED)
    opened = until(lambda: server.accepts(person.uid, password))
    lock_accounts(accounts=[person], reason=LockReason.PHISHING)
    return opened, until(lambda: not server.accepts(person.uid, password))


def lock_at_once(server: Slapd, people: list[Account], log: Path) -> float:
    """Seconds until all are written; the last one is then tried."""
    lock_accounts(accounts=people, reason=LockReason.PHISHING)
    waited = until(lambda: not Replica.objects.waiting().exists())
    assert not server.accepts(people[-1].uid, A_GOOD_PASSWORD), log.read_text()[-2000:]
    return waited


def until(holds: Callable[[], bool]) -> float:
    begun = perf_counter()
    while not holds():
        assert perf_counter() - begun < 60
        sleep(0.01)
    return perf_counter() - begun


def ldapadd_seconds(people: list[Account]) -> float:
    """The same entries on an empty server of the same configuration."""
    with Slapd() as server, tempfile.NamedTemporaryFile("w", suffix=".ldif") as file:
        for first in range(0, len(people), 1000):
            facts = read_facts([one.pk for one in people[first : first + 1000]])
            file.writelines(ldif_of(server, one) for one in facts.values())
        file.flush()
        command = [debian.ROOT / "usr/bin/ldapadd", "-x", "-H", server.url, "-D", ADMIN, "-w", server.password]
        return seconds(
            lambda: run([*command, "-f", file.name], env=debian.environment(), check=True, capture_output=True)
        )


def ldif_of(server: Slapd, facts: object) -> str:
    mapping = settings.PROVISIONING_LDAP_MAPPING
    values = mapping.values(facts.names(), facts.conditions())
    uid = facts.account.uid
    lines = [f"dn: uid={uid},{PEOPLE}", *(f"objectClass: {name}" for name in mapping.object_classes)]
    lines += [f"uid: {uid}", f"supannRefId: {{PORTAIL}}{facts.account.pk}"]
    lines += [f"{name}: {value}" for name, given in values.items() for value in given]
    return "\n".join([*lines, "", ""])


def import_seconds(server: Slapd) -> tuple[float, float]:
    """Of a file of new people, with a directory linked and without, in turns: the table grows with each file."""
    linked, alone = [], []
    for _ in range(ROUNDS):
        connect_portal(server)
        linked.append(seconds(import_new_people))
        disconnect_portal()
        alone.append(seconds(import_new_people))
    return median(linked), median(alone)


def import_new_people() -> None:
    hr_feed.imported(hr_feed.new_people(IMPORTED), created=IMPORTED)


@contextmanager
def worker(server: Slapd) -> Iterator[Path]:
    """A worker as `docker-compose.yml` has it, linked to the directory."""
    environment = {**os.environ, **PRODUCTION, **ldap_settings(server)}
    command = ["celery", "--quiet", "--app", "config", "worker", "--loglevel", "INFO", "--concurrency", "2"]
    with tempfile.TemporaryDirectory(prefix="portal-ldap-") as directory:
        log = Path(directory) / "worker.log"
        with log.open("wb") as output:
            process = start(command, cwd=PROJECT, env=environment, stdout=output, stderr=STDOUT)
        try:
            wait_until(lambda: " ready." in log.read_text(), log)
            yield log
        finally:
            stop(process, SIGTERM, patience=20)
