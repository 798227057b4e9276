"""The figures for those who watch, and what rings when they go wrong (LOG-04)."""

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
from tests.activation.wizard.client import CHARTER, DIRECTORY, MAILBOX, PASSWORD, answered_until, link_to
from tests.factories import active_account, pending_account
from tests.test_documentation import PROJECT, anchors

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
    def test_it_does_not_exist_without_a_key(self, client, settings):
        """ADM-01"""
        settings.METRICS_KEY = ""
        for header in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer"}, {"authorization": ""}):
            assert client.get(PAGE, headers=header).status_code == 404

    def test_nor_for_who_has_another(self, client, key):
        """ADM-01: signed in or not."""
        for given in ["", KEY, f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer é\x85"]:
            assert client.get(PAGE, headers={"authorization": given}).status_code == 404
            client.force_login(active_account(is_staff=True))
            assert client.get(f"{PAGE}?key={key}", headers={"authorization": given}).status_code == 404

    def test_it_is_what_prometheus_reads(self, client, key):
        answer = client.get(PAGE, headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain; version=")
        assert answer["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
        assert not answer.cookies
        names = {family.name for family in text_string_to_metric_families(answer.content.decode())}
        assert {"portal_accounts", "portal_database_up", "portal_refusals"} <= names

    def test_it_names_nobody(self, client, key):
        """LOG-02"""
        person = active_account(family_name="Canari", ine="1234567890A")
        Client().post("/connexion/", {"login": person.login, "password": "canary-password-1"})
        text = client.get(PAGE, headers={"authorization": f"Bearer {key}"}).content.decode().lower()
        for canary in ("canar", "univ-exemple", "exemple.net", "1234567890a", "127.0.0.1"):
            assert canary not in text

    def test_whoever_asks_often_does_not_make_the_database_count_often(
        self, client, key, django_assert_max_num_queries
    ):
        """LOG-04: a dozen queries, then none for ten seconds."""
        header = {"authorization": f"Bearer {key}"}
        with django_assert_max_num_queries(QUERY_BUDGET):
            first = client.get(PAGE, headers=header).content
        pending_account()
        with django_assert_max_num_queries(0):
            assert client.get(PAGE, headers=header).content == first
        cached_metrics.clear()
        assert client.get(PAGE, headers=header).content != first


class TestAccounts:
    def test_by_state_as_each_account_tells_it(self):
        yesterday = timezone.localdate() - timedelta(days=1)
        active_account()
        active_account(end_date=yesterday)
        pending_account()
        pending_account(end_date=timezone.localdate())
        for person in (active_account(), pending_account(), active_account(end_date=yesterday)):
            lock_account(account=person, reason=LockReason.PHISHING)
        without_password = active_account()
        without_password.set_unusable_password()
        without_password.save()
        found = figures()
        states = [account.state for account in Account.objects.all()]
        assert set(states) == set(State)
        assert {state: found["portal_accounts", state] for state in State.values} == {
            state: states.count(state) for state in State.values
        }

    def test_by_the_step_at_which_their_owners_stand_as_the_journey_tells_it(self):
        people = [pending_account() for _ in range(3)] + [pending_account(category="student") for _ in range(2)]
        for person, step in zip(people, (CHARTER, DIRECTORY, MAILBOX, DIRECTORY, PASSWORD), strict=True):
            answered_until(person, step) if step != PASSWORD else answered_until(person, MAILBOX)
        waiting, postponed = pending_account(), pending_account()
        for person in (waiting, postponed):
            answered_until(person, MAILBOX)
            choose_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        postpone_verification(account=postponed)
        for person in (*people, waiting, postponed):
            record_event(account=person, event=Event.ACTIVATION_STARTED)
        pending_account()
        active_account()
        stands = [Wizard(account).first_open.slug for account in (*people, waiting, postponed)]
        assert set(stands) == {step.slug for step in STEPS}
        found = figures()
        assert found["portal_activation_steps", BEFORE_THE_STEPS] == 1
        for step in STEPS:
            assert found["portal_activation_steps", step.slug] == stands.count(step.slug), step.slug

    def test_somebody_who_only_opens_the_link_has_begun(self, client):
        person = pending_account()
        client.get(link_to(person), follow=True)
        client.post("/activation/")
        assert figures()["portal_activation_steps", "charte"] == 1

    def test_open_locks_and_sessions(self, client):
        person, other = active_account(), active_account()
        lock_account(account=other, reason=LockReason.PHISHING)
        client.force_login(person)
        found = figures()
        assert found["portal_locks_open", "phishing"] == 1
        assert found["portal_locks_open", "other"] == 0
        assert found["portal_sessions_open",] == 1


class TestEvents:
    def test_of_the_last_hour_and_of_the_last_day(self):
        person, now = pending_account(), timezone.now()
        for ago in (timedelta(minutes=5), timedelta(hours=2), timedelta(hours=25)):
            JournalEntry.objects.create(account=person, event=Event.SIGN_IN_FAILED, at=now - ago, source="web")
        found = figures()
        assert found["portal_events_last_hour", "authn_login_fail"] == 1
        assert found["portal_events_last_day", "authn_login_fail"] == 2

    def test_every_event_is_there_at_zero_too(self):
        """LOG-04: an alert sees nothing rise that was not there."""
        found = figures()
        for event in Event.values:
            assert found["portal_events_last_hour", event] == found["portal_events_last_day", event] == 0


class TestMails:
    def message(self, **facts: Any) -> Message:
        return Message.objects.create(
            **{"kind": Kind.ACTIVATION, "address": "x@exemple.net", "language": "fr", **facts}
        )

    def test_by_fate(self):
        self.message(status=Status.BOUNCED)
        self.message(status=Status.BOUNCED, created_at=timezone.now() - timedelta(days=8))
        self.message(status=Status.SENT, kind=Kind.LOCKED)
        found = figures()
        assert found["portal_mails_last_week", "activation", "bounced"] == 1
        assert found["portal_mails_last_week", "locked", "sent"] == 1
        assert found["portal_mails_last_week", "locked", "bounced"] == 0

    def test_what_waits_and_since_when(self):
        """LOG-04: a mail that nobody takes; one whose worker died; one to be tried again later is not late."""
        now = timezone.now()
        self.message(due_at=now - timedelta(minutes=6))
        self.message(due_at=now + timedelta(minutes=6), attempts=1)
        self.message(
            status=Status.SENDING,
            due_at=now - timedelta(minutes=9),
            leased_until=now - timedelta(minutes=1),
            priority=Priority.BULK,
        )
        self.message(status=Status.SENT, due_at=now - timedelta(days=1))
        found = figures()
        assert found["portal_outbox_waiting", "urgent"] == 2
        assert found["portal_outbox_waiting", "bulk"] == 1
        assert found["portal_outbox_postponed", "urgent"] == 1
        assert 360 <= found["portal_outbox_oldest_seconds", "urgent"] < 400
        assert 540 <= found["portal_outbox_oldest_seconds", "bulk"] < 580

    def test_nothing_waits_in_an_empty_outbox(self):
        found = figures()
        assert found["portal_outbox_waiting", "urgent"] == found["portal_outbox_oldest_seconds", "urgent"] == 0
        assert found["portal_link_requests_waiting",] == found["portal_link_requests_oldest_seconds",] == 0

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


class TestRedis:
    def test_refusals_by_limit(self, client):
        """LOG-04, ENU-06"""
        for _ in range(32):
            client.get(f"/activation/{'A' * 97}/")
        found = figures()
        assert found["portal_refusals_total", "bad-links"] == 2
        assert {labels[1] for labels in found if labels[0] == "portal_refusals_total"} == {
            limit.name for limit in all_limits()
        }

    def test_queues(self):
        found = figures()
        assert found["portal_queue_length", "urgent"] == found["portal_queue_length", "bulk"] == 0
        assert found["portal_redis_up",] == found["portal_database_up",] == 1

    def test_without_redis_the_rest_is_told(self, settings, monkeypatch):
        """LOG-04, AVL-01"""
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        found = figures()
        assert found["portal_redis_up",] == 0
        assert found["portal_database_up",] == 1
        assert not [labels for labels in found if labels[0] in ("portal_queue_length", "portal_refusals_total")]


class TestAlertsAndDashboard:
    def test_every_figure_that_they_name_exists_with_these_values_of_its_labels(self):
        """LOG-04"""
        found = figures()
        names, words = {labels[0] for labels in found}, {word for labels in found for word in labels[1:]}
        for expression in expressions():
            assert set(re.findall(r"portal_\w+", expression)) <= names, expression
            for value in re.findall(r'(?:event|status|priority|step)=~?"([^"]+)"', expression):
                assert set(value.split("|")) <= words, expression

    def test_prometheus_can_read_every_expression(self):
        """LOG-04"""
        for expression in expressions():
            promql_parser.parse(expression)

    def test_every_alert_says_what_to_do_and_where_that_is_written(self):
        """LOG-04"""
        for rule in rules():
            assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["alert"])
            assert re.fullmatch(r"\d+[mh]", rule.get("for", "0m"))
            assert rule["labels"]["severity"] in ("page", "ticket")
            told = rule["annotations"]
            assert set(told) == {"summary", "description", "runbook"}
            document, _hash, anchor = told["runbook"].partition("#")
            assert anchor in anchors(PROJECT / document), rule["alert"]

    def test_no_alert_has_the_name_of_another(self):
        names = [rule["alert"] for rule in rules()]
        assert len(names) == len(set(names))

    def test_every_figure_is_drawn_or_watched(self):
        together = " ".join(expressions())
        for name in {labels[0] for labels in figures()}:
            assert name in together, name

    def test_operators_are_told_about_every_alert(self):
        operations = (PROJECT / "docs/operations.md").read_text(encoding="utf-8")
        for rule in rules():
            assert f"`{rule['alert']}`" in operations, rule["alert"]
