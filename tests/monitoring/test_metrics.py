"""Metrics, alerts and dashboard (LOG-04)."""

import json
import re
from datetime import timedelta
from typing import Any

import promql_parser
import pytest
import yaml
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from accounts.enums import LockReason, State
from accounts.locking.lock import lock_account
from accounts.models import Account
from activation.enums import LinkRequestKind
from activation.models import LinkRequest
from activation.services import request_link
from activation.wizard.steps import STEPS, Wizard
from core.rate_limits import all_limits
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from mailrouting.services import choose_redirection, postpone_verification
from monitoring.collectors import BEFORE_THE_STEPS, PortalCollector
from monitoring.views import cached_metrics
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from tests.activation.wizard.client import CHARTER, DIRECTORY, MAILBOX, answered_until, link_to
from tests.factories import active_account, pending_account
from tests.project import PROJECT
from tests.test_documentation import anchors

pytestmark = pytest.mark.django_db

PAGE = "/sante/mesures"
KEY = "a-key-for-tests-0123456789abcdef"
QUERY_BUDGET = 12
Samples = dict[tuple[str, ...], float]


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    cached_metrics.clear()


@pytest.fixture
def key(settings) -> str:
    settings.METRICS_KEY = KEY
    return KEY


def figures() -> Samples:
    """Every sample by name and labels, looked up now."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in PortalCollector().collect()
        for sample in metric.samples
    }


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROJECT / "deploy/alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[str]:
    dashboard = json.loads((PROJECT / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))
    drawn = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*drawn, *(rule["expr"] for rule in rules())]


class TestPage:
    def test_it_does_not_exist_without_the_key(self, client, settings):
        """ADM-01: signed in or not."""
        settings.METRICS_KEY = ""
        for header in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer"}, {"authorization": ""}):
            assert client.get(PAGE, headers=header).status_code == 404
        settings.METRICS_KEY = KEY
        for address in (PAGE, f"{PAGE}?key={KEY}"):
            for given in ["", KEY, f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer é\x85"]:
                assert client.get(address, headers={"authorization": given}).status_code == 404
            client.force_login(active_account(is_staff=True))

    def test_prometheus_reads_it_ten_seconds_old_at_most_and_without_personal_data(
        self, client, key, django_assert_max_num_queries
    ):
        """LOG-02, LOG-04: a dozen queries, then none for ten seconds."""
        person = active_account(family_name="Canari", ine="1234567890A")
        Client().post("/connexion/", {"login": person.login, "password": "canary-password-1"})
        header = {"authorization": f"Bearer {key}"}
        with django_assert_max_num_queries(QUERY_BUDGET):
            response = client.get(PAGE, headers=header)
        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/plain; version=")
        assert response["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
        assert not response.cookies
        text = response.content.decode()
        names = {family.name for family in text_string_to_metric_families(text)}
        assert {"portal_accounts", "portal_database_up", "portal_refusals"} <= names
        for canary in ("canar", "univ-exemple", "exemple.net", "1234567890a", "127.0.0.1"):
            assert canary not in text.lower()
        pending_account()
        with django_assert_max_num_queries(0):
            assert client.get(PAGE, headers=header).content == response.content
        cached_metrics.clear()
        assert client.get(PAGE, headers=header).content != response.content


class TestAccounts:
    def test_by_state(self):
        yesterday = timezone.localdate() - timedelta(days=1)
        active_account()
        pending_account()
        pending_account(end_date=timezone.localdate())
        for factory, facts in ((active_account, {}), (pending_account, {}), (active_account, {"end_date": yesterday})):
            factory(**facts)
            lock_account(account=factory(**facts), reason=LockReason.PHISHING)
        without_password = active_account()
        without_password.set_unusable_password()
        without_password.save()
        states, found = [account.state for account in Account.objects.all()], figures()
        assert set(states) == set(State)
        assert {state: found["portal_accounts", state] for state in State.values} == {
            state: states.count(state) for state in State.values
        }

    def test_by_the_step_of_the_wizard(self, client):
        people = [pending_account() for _ in range(3)] + [pending_account(category="student") for _ in range(2)]
        for person, step in zip(people, (CHARTER, DIRECTORY, MAILBOX, DIRECTORY, MAILBOX), strict=True):
            answered_until(person, step)
        waiting, postponed = pending_account(), pending_account()
        for person in (waiting, postponed):
            answered_until(person, MAILBOX)
            choose_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        postpone_verification(account=postponed)
        people += [waiting, postponed]
        for person in people:
            record_event(account=person, event=Event.ACTIVATION_STARTED)
        pending_account()
        active_account()
        stands = [Wizard(account).first_open.slug for account in people]
        assert set(stands) == {step.slug for step in STEPS}
        wanted = {BEFORE_THE_STEPS: 1} | {step.slug: stands.count(step.slug) for step in STEPS}
        found = figures()
        assert {step: found["portal_activation_steps", step] for step in wanted} == wanted
        client.get(link_to(pending_account()), follow=True)
        client.post("/activation/")
        assert figures()["portal_activation_steps", "charte"] == wanted["charte"] + 1

    def test_open_locks_and_sessions(self, client):
        person, other = active_account(), active_account()
        lock_account(account=other, reason=LockReason.PHISHING)
        client.force_login(person)
        found = figures()
        assert found["portal_locks_open", "phishing"] == 1
        assert found["portal_locks_open", "other"] == 0
        assert found["portal_sessions_open",] == 1


def test_events_of_the_last_hour_and_of_the_last_day():
    """LOG-04: each at zero, too: an alert does not see a metric rise that was not there."""
    person, now = pending_account(), timezone.now()
    for ago in (timedelta(minutes=5), timedelta(hours=2), timedelta(hours=25)):
        JournalEntry.objects.create(account=person, event=Event.SIGN_IN_FAILED, at=now - ago, source="web")
    found = figures()
    for event in Event.values:
        counts = found["portal_events_last_hour", event], found["portal_events_last_day", event]
        assert counts == ((1, 2) if event == Event.SIGN_IN_FAILED else (0, 0))


class TestMails:
    def message(self, **facts: Any) -> Message:
        facts = {"kind": Kind.ACTIVATION, "address": "x@exemple.net", "language": "fr", **facts}
        return Message.objects.create(**facts)

    def test_by_outcome_and_by_wait(self):
        """LOG-04: a mail that no worker takes; one whose worker died; one to be retried later is not late."""
        found, now = figures(), timezone.now()
        assert found["portal_outbox_waiting", "urgent"] == found["portal_outbox_oldest_seconds", "urgent"] == 0
        assert found["portal_link_requests_waiting",] == found["portal_link_requests_oldest_seconds",] == 0
        self.message(status=Status.BOUNCED)
        self.message(status=Status.BOUNCED, created_at=now - timedelta(days=8))
        self.message(status=Status.SENT, kind=Kind.LOCKED, due_at=now - timedelta(days=1))
        self.message(due_at=now - timedelta(minutes=6))
        self.message(due_at=now + timedelta(minutes=6), attempts=1)
        dead = {"status": Status.SENDING, "leased_until": now - timedelta(minutes=1), "priority": Priority.BULK}
        self.message(due_at=now - timedelta(minutes=9), **dead)
        found = figures()
        mails = [("activation", "bounced"), ("locked", "sent"), ("locked", "bounced")]
        assert [found["portal_mails_last_week", *labels] for labels in mails] == [1, 1, 0]
        assert (found["portal_outbox_waiting", "urgent"], found["portal_outbox_waiting", "bulk"]) == (2, 1)
        assert found["portal_outbox_postponed", "urgent"] == 1
        assert 360 <= found["portal_outbox_oldest_seconds", "urgent"] < 400
        assert 540 <= found["portal_outbox_oldest_seconds", "bulk"] < 580

    def test_requests_for_links(self):
        for login in ("personne", "quelqu.un"):
            request_link(login=login, wish=LinkRequestKind.FIRST_CONNECTION)
        LinkRequest.objects.filter(login="personne").update(
            requested_at=timezone.now() - timedelta(minutes=10), answered_at=timezone.now()
        )
        found = figures()
        assert found["portal_link_requests_waiting",] == 1
        assert found["portal_link_requests_last_hour",] == 2
        assert found["portal_link_requests_oldest_seconds",] < 60


def test_refusals_by_limit_and_queues_with_and_without_redis(client, settings):
    """LOG-04, ENU-06, AVL-01"""
    for _ in range(32):
        client.get(f"/activation/{'A' * 97}/")
    found = figures()
    assert found["portal_refusals_total", "bad-links"] == 2
    limits = {labels[1] for labels in found if labels[0] == "portal_refusals_total"}
    assert limits == {limit.name for limit in all_limits()}
    assert found["portal_queue_length", "urgent"] == found["portal_queue_length", "bulk"] == 0
    assert found["portal_redis_up",] == found["portal_database_up",] == 1
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    found = figures()
    assert (found["portal_redis_up",], found["portal_database_up",]) == (0, 1)
    assert not {labels[0] for labels in found} & {"portal_queue_length", "portal_refusals_total"}


class TestAlertsAndDashboard:
    def test_expressions_are_valid_and_use_every_metric_and_no_other(self):
        """LOG-04: with these values of their labels."""
        found = figures()
        names, words = {labels[0] for labels in found}, {word for labels in found for word in labels[1:]}
        for expression in expressions():
            promql_parser.parse(expression)
            assert set(re.findall(r"portal_\w+", expression)) <= names, expression
            for value in re.findall(r'(?:event|status|priority|step)=~?"([^"]+)"', expression):
                assert set(value.split("|")) <= words, expression
        together = " ".join(expressions())
        assert [name for name in names if name not in together] == []

    def test_each_alert_has_a_name_of_its_own_and_a_runbook(self):
        """LOG-04"""
        operations = (PROJECT / "docs/operations.md").read_text(encoding="utf-8")
        names = [rule["alert"] for rule in rules()]
        assert len(names) == len(set(names))
        for rule in rules():
            assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["alert"])
            assert re.fullmatch(r"\d+[mh]", rule.get("for", "0m"))
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert set(rule["annotations"]) == {"summary", "description", "runbook"}
            document, _hash, anchor = rule["annotations"]["runbook"].partition("#")
            assert anchor in anchors(PROJECT / document), rule["alert"]
            assert f"`{rule['alert']}`" in operations, rule["alert"]
