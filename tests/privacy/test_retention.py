"""Retention: what the nightly purge deletes, and when (PRV-05)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from secrets import token_hex
from typing import Any
from unittest.mock import Mock

import pytest
from celery.schedules import crontab
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, models, transaction
from django.urls import reverse
from django.utils import timezone
from time_machine import travel

from accounts.models import Account, RecoveryAddressChange, RecoveryAddressCorrection, Session
from accounts.recovery.changes import request_recovery_change, resend_recovery_verification
from activation.models import CharterAcceptance, LinkRequest
from agents.models import EnrolmentCode
from assistance.enums import Profile, RequestState
from assistance.models import AssistanceRequest
from config.celery import app
from core import retention
from directory.models import DirectoryConsent
from hr_feed.models import HrImport, ImportState
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.models import Redirection
from mailrouting.services import change_redirection, resend_verification
from outbox.enums import Kind, Status
from outbox.models import Message
from privacy.purge import PurgeIncomplete, preview_purge, purge
from tests.concurrency import together
from tests.factories import active_account, pending_account, reloaded

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 2, 17, tzinfo=UTC)
TODAY = timezone.localdate(NOW)
WAITING = "ailleurs@exemple.org"

A_MAIL = {"kind": Kind.ALREADY_ACTIVE, "address": "a@exemple.net", "status": Status.SENT}
A_LINK_REQUEST = {"login": "personne", "language": "fr"}
A_CHANGE = {"account": active_account, "new_address": WAITING}
A_CORRECTION = A_CHANGE | {"note": "?"}
A_REQUEST = {"state": RequestState.SOLVED, "profile": Profile.STAFF, "reference": partial(token_hex, 2)}
AN_IMPORT = {"state": ImportState.DONE, "file_name": "personnel.csv", "size": 1, "sha256": "?"}
#: Days, model, times and facts of the rows that each rule deletes; a function gives each row a value of its own.
SEEDS: dict[str, tuple[int, type[models.Model], str, dict[str, Any]]] = {
    "mails": (365, Message, "created_at", A_MAIL),
    "link-requests": (30, LinkRequest, "requested_at", A_LINK_REQUEST),
    "journal": (365, JournalEntry, "at", {"event": Event.SIGN_IN_FAILED}),
    "sessions": (0, Session, "expire_date", {"session_key": partial(token_hex, 8), "session_data": ""}),
    "former-recovery-addresses": (365, RecoveryAddressChange, "asked_at confirmed_at", A_CHANGE),
    "corrected-recovery-addresses": (365, RecoveryAddressCorrection, "proposed_at given_up_at", A_CORRECTION),
    "assistance-requests": (365, AssistanceRequest, "taken_at closed_at", A_REQUEST),
    "hr-imports": (90, HrImport, "approved_at ended_at", AN_IMPORT),
    "enrolment-codes": (0, EnrolmentCode, "given_at expires_at", {"account": active_account, "digest": "?"}),
}
#: Tested one by one: rows that change instead of being deleted, or are deleted after the person left.
ON_THEIR_OWN = {
    *("assistance-facts", "charter-acceptances", "departed-people", "directory-choices", "hr-files"),
    *("never-activated", "unapproved-recovery-addresses", "waiting-recovery-addresses", "waiting-redirections"),
}


@pytest.fixture(autouse=True)
def at_night(time_machine) -> None:
    time_machine.move_to(NOW, tick=False)


def days_ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def seed(rule: str, at: datetime, **changed: Any) -> Any:
    _days, model, times, facts = SEEDS[rule]
    values = {name: value() if callable(value) else value for name, value in (facts | changed).items()}
    return model._base_manager.create(**dict.fromkeys(times.split(), at) | values)


def left(days: int, *, activated: bool = True, **facts: Any) -> Account:
    account = active_account(**facts) if activated else pending_account(**facts)
    Account.objects.filter(pk=account.pk).update(end_date=TODAY - timedelta(days=days))
    return account


def run(*options: str) -> str:
    output = StringIO()
    call_command("purge", *options, stdout=output)
    return output.getvalue()


class TestLimits:
    def test_rows_older_than_their_limit_are_deleted_and_younger_ones_stay(self):
        """PRV-05: idempotent, announced by the dry run, recorded in the journal."""
        assert {kind.name for kind in retention.retention_rules()} == set(SEEDS) | ON_THEIR_OWN
        second = timedelta(seconds=1)
        old = {name: seed(name, days_ago(days) - second) for name, (days, *_facts) in SEEDS.items()}
        young = {name: seed(name, days_ago(days) + second) for name, (days, *_facts) in SEEDS.items()}
        preview = preview_purge()
        first, second_run = purge(), purge()
        for name in SEEDS:
            assert (preview[name], first[name], second_run[name]) == (1, 1, 0), name
            rows = type(old[name])._base_manager.filter(pk__in=[old[name].pk, young[name].pk])
            assert list(rows) == [young[name]], name
        entry = JournalEntry.objects.filter(event=Event.DATA_PURGED).earliest("pk")
        assert (entry.account, entry.details) == (None, {"gone": first, "failed": []})

    def test_the_facts_of_a_request_go_before_the_request_and_what_is_open_never(self):
        """PRV-04, PRV-05: nor does a mail that was not sent yet."""
        old, young, still_open = (seed("assistance-requests", days_ago(days)) for days in (31, 29, 4000))
        rows = AssistanceRequest.objects.order_by("pk")
        rows.update(birth_date_typed=TODAY)
        rows.filter(pk=still_open.pk).update(state=RequestState.NEW, taken_at=None, closed_at=None)
        mails = [seed("mails", days_ago(999), status=one, leased_until=NOW) for one in (Status.QUEUED, Status.SENDING)]
        assert [purge()[name] for name in ("assistance-facts", "assistance-requests")] == [1, 0]
        kept = [(old.pk, None), (young.pk, TODAY), (still_open.pk, TODAY)]
        assert list(rows.values_list("pk", "birth_date_typed")) == kept
        assert list(Message.objects.order_by("pk")) == mails

    def test_accounts_are_erased_after_the_departure_and_agents_never(self):
        """PRV-05: nor people still employed, however long they wait."""
        erased = [left(366), left(31, activated=False)]
        kept = [left(365), left(30, activated=False), pending_account(created_at=days_ago(5000))]
        kept += [left(5000, **{right: True}) for right in ("is_staff", "is_superuser")]
        runs = [(counts["departed-people"], counts["never-activated"]) for counts in (purge(), purge())]
        assert runs == [(1, 1), (0, 0)]
        assert all(reloaded(account).erased_at for account in erased)
        assert not any(reloaded(account).erased_at for account in kept)

    def test_proofs_are_deleted_five_years_after_the_departure(self, time_machine):
        """PRV-01, PRV-02, PRV-05: never while the person is employed."""
        account, employed = left(366), active_account()
        DirectoryConsent.objects.filter(account=employed).update(decided_at=days_ago(10_000))
        purge()
        assert reloaded(account).erased_at
        assert (account.charter_acceptances.count(), account.directory_consents.count()) == (1, 1)
        time_machine.move_to(NOW + timedelta(days=1826 - 366), tick=False)
        assert purge()["charter-acceptances"] == 0
        time_machine.move_to(NOW + timedelta(days=1826 - 366 + 1), tick=False)
        counts = purge()
        assert (counts["charter-acceptances"], counts["directory-choices"]) == (1, 1)
        assert CharterAcceptance.objects.get().account == DirectoryConsent.objects.get().account == employed


def test_an_unconfirmed_redirection_is_cancelled_after_a_week():
    """FWD-03: except after a recent mail; a confirmed one stays."""
    old, young, resent, confirmed = (active_account() for _ in range(4))
    for account, days in ((old, 8), (young, 6), (resent, 20)):
        with travel(days_ago(days)):
            change_redirection(account=account, target=WAITING, keep_copy=False)
    Message.objects.filter(person=young).delete()
    resend_verification(account=resent)
    change_redirection(account=confirmed, target=confirmed.recovery_address, keep_copy=True)
    Redirection.objects.filter(account=confirmed).update(chosen_at=days_ago(5000))
    assert [purge()["waiting-redirections"] for _ in range(2)] == [1, 0]
    assert not Redirection.objects.get(account=old).is_wanted
    targets = dict(Redirection.objects.exclude(account=old).values_list("account", "target"))
    assert targets == {young.pk: WAITING, resent.pk: WAITING, confirmed.pk: confirmed.recovery_address}
    assert old.journal.get(event=Event.REDIRECTION_EXPIRED).details == {"target": WAITING}
    assert not Message.objects.filter(person=old, kind=Kind.REDIRECTION_CHANGED, created_at__gte=NOW).exists()


def test_an_unconfirmed_recovery_address_is_cancelled_after_a_week():
    """PRV-05, HLP-05: except after a recent mail, or the approval of a second agent."""
    old, young, resent = (active_account() for _ in range(3))
    for account, days in ((old, 8), (young, 6), (resent, 20)):
        with travel(days_ago(days)):
            request_recovery_change(account=account, address=f"nouvelle{days}@exemple.org")
    resend_recovery_verification(account=resent)
    unapproved, recent = (seed("corrected-recovery-addresses", days_ago(days), given_up_at=None) for days in (8, 6))
    approval = {"given_up_at": None, "approved_at": days_ago(8), "effective_at": days_ago(7)}
    approved = seed("corrected-recovery-addresses", days_ago(9), **approval)
    rules = ("waiting-recovery-addresses", "unapproved-recovery-addresses")
    assert [[counts[rule] for rule in rules] for counts in (purge(), purge())] == [[1, 1], [0, 0]]
    assert set(RecoveryAddressChange.objects.waiting().values_list("account", flat=True)) == {young.pk, resent.pk}
    assert old.journal.filter(event=Event.RECOVERY_CHANGE_EXPIRED).count() == 1
    assert set(RecoveryAddressCorrection.objects.open()) == {recent, approved}
    [entry] = unapproved.account.journal.filter(event=Event.RECOVERY_REPLACEMENT_GIVEN_UP)
    assert (entry.actor, entry.details) == (None, {"correction": unapproved.pk})


class TestRun:
    def test_a_killed_purge_continues_where_it_stopped(self, monkeypatch):
        """AVL-09, PRV-05: each batch is a transaction."""
        monkeypatch.setattr(retention, "BATCH", 3)
        for _ in range(8):
            seed("link-requests", days_ago(31))

        def die_in_the_second(rows: list[Any]) -> None:
            retention.delete_rows(rows)
            if LinkRequest.objects.count() < 5:
                raise KeyboardInterrupt

        [rule] = [rule for rule in retention.retention_rules() if rule.name == "link-requests"]
        with pytest.raises(KeyboardInterrupt):
            retention.apply_rule(replace(rule, dispose=die_in_the_second), now=NOW)
        assert LinkRequest.objects.count() == 5
        assert purge()["link-requests"] == 5

    def test_a_rule_that_fails_does_not_stop_the_others_and_the_dry_run_changes_nothing(self, monkeypatch):
        """AVL-09: the exit code tells."""
        seed("link-requests", days_ago(31))
        assert "link-requests\N{NO-BREAK SPACE}: 1" in run("--dry-run")
        assert not JournalEntry.objects.filter(event=Event.DATA_PURGED).exists()
        assert "link-requests\N{NO-BREAK SPACE}: 1" in run()
        fail, rows = Mock(side_effect=DatabaseError("no")), lambda limit: JournalEntry.objects.all()
        broken = retention.RetentionRule("aaa-broken", None, rows, fail, ("self",))
        monkeypatch.setitem(retention._rules, "aaa-broken", broken)
        seed("link-requests", days_ago(31))
        for act in (purge, run):
            with pytest.raises((PurgeIncomplete, CommandError), match="aaa-broken"):
                act()
        assert not LinkRequest.objects.exists()
        assert JournalEntry.objects.filter(event=Event.DATA_PURGED).latest("pk").details["failed"] == ["aaa-broken"]

    def test_the_rights_of_the_portals_role_are_enough_and_the_journal_is_append_only_afterwards(self):
        """LOG-03: the role owns no table (deploy/roles.sh)."""
        account = left(366)
        seed("journal", days_ago(366))
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE role_of_a_test NOLOGIN; GRANT USAGE ON SCHEMA public TO role_of_a_test")
            cursor.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO role_of_a_test")
            cursor.execute("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO role_of_a_test")
            cursor.execute("SET LOCAL ROLE role_of_a_test")
            counts = purge()
            assert (counts["journal"], counts["departed-people"]) == (1, 1)
            assert reloaded(account).erased_at
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                JournalEntry.objects.all().delete()
            cursor.execute("RESET ROLE")

    @pytest.mark.django_db(transaction=True)
    def test_a_locked_row_is_skipped_until_the_next_night(self):
        """AVL-05"""
        held, _free = (seed("link-requests", days_ago(31)) for _ in range(2))
        with transaction.atomic():
            LinkRequest.objects.select_for_update().get(pk=held.pk)
            [counts] = together(purge)
        assert counts["link-requests"] == 1
        assert list(LinkRequest.objects.all()) == [held]


def test_the_nightly_tasks_are_scheduled_and_the_page_about_personal_data_states_every_limit(client, settings):
    """PRV-03, PRV-05"""
    app.loader.import_default_modules()
    schedule = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
    for task in ("privacy.tasks.purge_old_data", "accounts.tasks.announce_closings", "activation.tasks.remind"):
        assert task in app.tasks
        assert isinstance(schedule[task], crontab)
    template = Path(django_settings.BASE_DIR / "templates/pages/donnees-personnelles.html").read_text(encoding="utf-8")
    used = {kind.setting for kind in retention.retention_rules() if kind.setting}
    assert used == {name for name in dir(django_settings) if name.startswith("RETENTION_")}
    assert all(f'"{name}"' in template for name in used)
    settings.RETENTION_WAITING_DAYS, settings.RETENTION_DEPARTED_DAYS = 11, 730
    page = client.get(reverse("privacy")).content.decode()
    for promise in ("11 jours", "2 ans", "12 mois", "30 jours", "5 ans"):
        assert promise.replace(" ", "\N{NO-BREAK SPACE}") in page
