"""Metrics (LOG-04)."""

import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from functools import partial
from unittest.mock import Mock

import pytest
from celery.signals import heartbeat_sent
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from psycopg_pool import ConnectionPool, PoolTimeout
from redis import Redis

from accounts.enums import LockReason, State
from accounts.locking.lock import lock_account
from accounts.models import Account
from activation.enums import LinkRequestKind
from activation.models import LinkRequest
from activation.services import request_link
from activation.wizard.steps import STEPS
from core.rate_limits import all_limits
from devtools.servers import Redis as RedisServer
from hr_feed.models import MOST_ATTEMPTS, HrImport
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from monitoring.collectors import BEFORE_THE_STEPS
from monitoring.heartbeats import HEARTBEATS
from monitoring.requests import STATUSES, counts, request_counts
from monitoring.tasks import prove_that_tasks_run
from monitoring.views import cached_metrics
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from provisioning.enums import Status as ReplicaStatus
from provisioning.enums import Urgency
from provisioning.models import Replica, Target
from tests.activation.wizard.client import CHARTER, DIRECTORY, answered_until, link_to
from tests.factories import active_account, pending_account
from tests.monitoring.test_alerts import figures
from tests.project import PROJECT
from tests.provisioning.linked import replica_of
from tests.stack import database_url

pytestmark = pytest.mark.django_db

PAGE = "/sante/mesures"
TROUBLES_OF_REDIS = {
    "Redis plein": "CONFIG SET maxmemory 1",
    "Redis en lecture seule": "REPLICAOF 127.0.0.1 1",
    "Redis refuse les écritures": "ACL SETUSER default -set",
}
KEY = "a-key-for-tests-0123456789abcdef"


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    cached_metrics.clear()


def test_only_prometheus_reads_it_ten_seconds_old_at_most_and_without_personal_data(
    client, settings, django_assert_max_num_queries
):
    """ADM-01: 404 without the key, signed in or not. LOG-02, LOG-04: a dozen queries, then none for ten seconds."""
    settings.METRICS_KEY = ""
    for header in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer"}, {"authorization": ""}):
        assert client.get(PAGE, headers=header).status_code == 404
    settings.METRICS_KEY = KEY
    for address in (PAGE, f"{PAGE}?key={KEY}"):
        for given in ["", KEY, f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer é\x85"]:
            assert client.get(address, headers={"authorization": given}).status_code == 404
        client.force_login(active_account(is_staff=True))
    person = active_account(family_name="Canari", ine="1234567890A")
    client = Client(headers={"authorization": f"Bearer {KEY}"})
    Client().post("/connexion/", {"login": person.login, "password": "canary-password-1"})
    with django_assert_max_num_queries(14):
        response = client.get(PAGE)
    assert (response.status_code, bool(response.cookies), "no-store" in response["Cache-Control"]) == (200, False, True)
    assert response["Content-Type"].startswith("text/plain; version=")
    text = response.content.decode()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"portal_accounts", "portal_database_up", "portal_refusals"} <= names
    canaries = ("canar", "univ-exemple", "exemple.net", "1234567890a", "127.0.0.1")
    assert [canary for canary in canaries if canary in text.lower()] == []
    pending_account()
    with django_assert_max_num_queries(0):
        assert client.get(PAGE).content == response.content
    cached_metrics.clear()
    assert client.get(PAGE).content != response.content


def test_accounts_by_state_and_step_with_open_locks_and_sessions(client):
    yesterday, person = timezone.localdate() - timedelta(days=1), active_account()
    pending_account(end_date=timezone.localdate())
    for factory, facts in ((active_account, {}), (pending_account, {}), (active_account, {"end_date": yesterday})):
        factory(**facts)
        lock_account(account=factory(**facts), reason=LockReason.PHISHING)
    without_password = active_account()
    without_password.set_unusable_password()
    without_password.save()
    for step in (CHARTER, DIRECTORY, DIRECTORY):
        begun = pending_account()
        answered_until(begun, step)
        record_event(account=begun, event=Event.ACTIVATION_STARTED)
    client.get(link_to(pending_account()), follow=True)
    client.post("/activation/")
    client.force_login(person)
    states, found = [account.state for account in Account.objects.all()], figures()
    assert set(states) == set(State)
    assert {state: found["portal_accounts", state] for state in State.values} == Counter(states)
    steps = [found["portal_activation_steps", slug] for slug in (BEFORE_THE_STEPS, *(step.slug for step in STEPS))]
    assert (steps[:3], sum(steps)) == ([2, 2, 2], 6)
    assert (found["portal_locks_open", "phishing"], found["portal_locks_open", "other"]) == (3, 0)
    assert found["portal_sessions_open",] == 1


def test_events_mails_and_requests_by_age():
    """LOG-04: each at zero, too: an alert does not see a metric rise that was not there. AVL-09: what waits is not late."""
    now, person = timezone.now(), pending_account()
    assert {number for labels, number in figures().items() if "last" in labels[0] or "oldest" in labels[0]} == {0}
    for ago in (timedelta(minutes=5), timedelta(hours=2), timedelta(hours=25)):
        JournalEntry.objects.create(account=person, event=Event.SIGN_IN_FAILED, at=now - ago, source="web")
    dead = {"status": Status.SENDING, "leased_until": now - timedelta(minutes=1), "priority": Priority.BULK}
    for facts in (
        *({"status": Status.BOUNCED}, {"status": Status.BOUNCED, "created_at": now - timedelta(days=8)}),
        {"status": Status.SENT, "kind": Kind.LOCKED, "due_at": now - timedelta(days=1)},
        *({"due_at": now + timedelta(minutes=minutes), "attempts": 1} for minutes in (-6, 6)),
        {"due_at": now - timedelta(minutes=9), **dead},
    ):
        Message.objects.create(**{"kind": Kind.ACTIVATION, "address": "x@exemple.net", "language": "fr", **facts})
    for login in ("personne", "camille"):
        request_link(login=login, wish=LinkRequestKind.FIRST_CONNECTION)
    answered = {"requested_at": now - timedelta(minutes=10), "answered_at": now}
    LinkRequest.objects.filter(login="personne").update(**answered)
    hr_import = partial(HrImport.objects.create, file_name="rh.csv", size=1)
    hr_import(sha256="1", uploaded_at=now - timedelta(minutes=6))
    hr_import(sha256="2", attempts=MOST_ATTEMPTS)
    found = figures()
    assert 360 <= found["portal_hr_imports_oldest_seconds",] < 400
    hr_import(sha256="3", attempts=1, leased_until=now + timedelta(minutes=1))
    assert (figures()["portal_hr_imports_oldest_seconds",], found["portal_hr_imports_stopped",]) == (0, 1)
    events = [found[f"portal_events_last_{period}", event] for period in ("hour", "day") for event in Event.values]
    assert (sum(events), found["portal_events_last_hour", Event.SIGN_IN_FAILED]) == (1 + 2, 1)
    mails = [("activation", "bounced"), ("locked", "sent"), ("locked", "bounced")]
    assert [found["portal_mails_last_week", *labels] for labels in mails] == [1, 1, 0]
    assert (found["portal_outbox_waiting", "urgent"], found["portal_outbox_waiting", "bulk"]) == (2, 1)
    assert found["portal_outbox_postponed", "urgent"] == 1
    assert 360 <= found["portal_outbox_oldest_seconds", "urgent"] < 400
    assert 540 <= found["portal_outbox_oldest_seconds", "bulk"] < 580
    assert (found["portal_link_requests_waiting",], found["portal_link_requests_last_hour",]) == (1, 2)
    assert found["portal_link_requests_oldest_seconds",] < 60


def test_linked_services_by_status_urgency_and_answer():
    """LOG-04: at zero, too; none of a service that the settings no longer link."""
    now = timezone.now()
    for name, is_enabled in (("ldap", True), ("webhook", True), ("gone", False)):
        Target.objects.create(name=name, is_enabled=is_enabled)
    for status, number in (("waiting", 2), ("refused", 1), ("held", 3)):
        for _ in range(number):
            since = {"marked_at": now - timedelta(minutes=number)}
            replica_of(active_account(), ReplicaStatus(status), urgency=Urgency.WITHDRAWAL, **since)
    Replica.objects.filter(target__in=["webhook", "gone"]).delete()
    Target.objects.filter(name="ldap").update(down_since=now, drift=4)
    found, name = figures(), "portal_provisioning_"
    statuses = [found[f"{name}replicas", "ldap", one] for one in ("waiting", "done", "refused", "conflict", "held")]
    assert statuses == [2, 0, 1, 0, 3]
    assert 120 <= found[f"{name}oldest_seconds", "ldap", "withdrawal"] < 150
    assert found[f"{name}oldest_seconds", "ldap", "person"] == 0
    assert [found[name + one, "ldap"] for one in ("up", "drift", "held")] == [0, 4, 3]
    assert [found[name + one, "webhook"] for one in ("up", "drift", "held")] == [1, 0, 0]
    assert not [labels for labels in found if "gone" in labels]


def test_refusals_by_limit_and_queues_with_and_without_redis(client, settings):
    """LOG-04, ENU-06, AVL-01"""
    for _ in range(32):
        client.get(f"/activation/{'A' * 97}/")
    found = figures()
    assert found["portal_refusals_total", "bad-links"] == 2
    limits = {labels[1] for labels in found if labels[0] == "portal_refusals_total"}
    assert limits == {limit.name for limit in all_limits()}
    assert found["portal_queue_length", "urgent"] == found["portal_queue_length", "bulk"] == 0
    assert found["portal_redis_up",] == found["portal_database_up",] == found["portal_redis_takes_writes",] == 1
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    found = figures()
    assert (found["portal_redis_up",], found["portal_database_up",]) == (0, 1)
    assert not {labels[0] for labels in found} & {"portal_queue_length", "portal_refusals_total"}


@pytest.mark.processes
def test_a_redis_that_takes_no_writes_is_said_and_its_heartbeats_are_left_out(client, settings):
    """AVL-06, LOG-04: full, the replica of a lost primary, or without the right to write."""
    with RedisServer() as server, Redis.from_url(server.url) as redis:
        settings.REDIS_URL = server.url
        for trouble, command in TROUBLES_OF_REDIS.items():
            redis.execute_command(*command.split())
            assert client.get("/sante/pret").text == f"prêt ({trouble})\n"
            found = figures()
            assert (found["portal_redis_up",], found["portal_redis_takes_writes",]) == (1, 0)
            assert ("portal_heartbeat_seconds", "beat") not in found


@pytest.mark.processes
def test_signs_of_life_of_beat_workers_and_tasks(tmp_path, monkeypatch, time_machine, settings):
    """LOG-04, AVL-06: infinite as long as there was none; the health check of a container looks for its own."""

    def signs() -> list[bool]:
        ages = [figures()["portal_heartbeat_seconds", of] < 120 for of in HEARTBEATS]
        health = [[sys.executable, PROJECT / "deploy/health.py", process] for process in ("beat", "worker")]
        return [*ages, *(subprocess.run(one, env={"TMPDIR": str(tmp_path)}).returncode == 0 for one in health)]

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("monitoring.heartbeats._last", {})
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.delete("portal:heartbeats")
        assert signs() == [False] * 5
        for begin in (prove_that_tasks_run.delay, partial(heartbeat_sent.send, sender=None), prove_that_tasks_run):
            begin()
        redis.delete("urgent")
    assert signs() == [True] * 5
    for file in tmp_path.iterdir():
        os.utime(file, (0, 0))
    time_machine.move_to(timezone.now() + timedelta(seconds=130))
    heartbeat_sent.send(sender=None)
    assert signs() == [False, True, False, False, True]


def test_requests_by_status_slow_ones_and_those_without_a_connection(client, monkeypatch, settings):
    """LOG-04: of all processes; what Redis did not take is added later. Health checks are not counted."""
    url = settings.REDIS_URL

    def added(page: str, redis: str = url) -> list[int]:
        before, settings.REDIS_URL = request_counts(), redis
        monkeypatch.setattr(counts, "_due_at", 0.0)
        client.get(page)
        settings.REDIS_URL = url
        return [number - before[name] for name, number in request_counts().items()]

    added("/sante/pret")
    assert (added("/sante/pret"), added("/rien/")) == ([0] * 7, [0, 0, 0, 1, 0, 0, 0])
    monkeypatch.setattr("monitoring.requests.SLOW_SECONDS", -1)
    assert (sum(added("/aide/", "redis://127.0.0.1:1/0")), added("/sante/pret")) == (0, [0, 1, 0, 0, 0, 1, 0])
    with ConnectionPool(database_url(), min_size=1, max_size=1, timeout=0.1) as pool, pool.connection():
        monkeypatch.setattr("monitoring.requests.connection", Mock(pool=pool))
        with pytest.raises(PoolTimeout):
            pool.getconn()
        assert added("/sante/pret") == [0, 0, 0, 0, 0, 0, 1]
    assert {figures()["portal_requests_total", status] >= 0 for status in STATUSES} == {True}
