"""Retention: what the nightly purge deletes, and when (PRV-05)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from celery.schedules import crontab
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, models, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, RecoveryAddressChange, RecoveryAddressCorrection, Session
from accounts.recovery.changes import request_recovery_change, resend_recovery_verification
from activation.models import CharterAcceptance, LinkRequest
from agents.models import EnrolmentCode
from assistance.enums import Profile, Reason, RequestState
from assistance.models import AssistanceRequest
from config.celery import app
from config.env import checked_days
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
from tests.factories import active_account, pending_account

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 2, 17, tzinfo=UTC)
TODAY = timezone.localdate(NOW)
Seed = Callable[[datetime], models.Model]
WAITING = "ailleurs@exemple.org"


@pytest.fixture(autouse=True)
def at_night(time_machine) -> None:
    time_machine.move_to(NOW, tick=False)


def days_ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def a_mail(at: datetime, **facts: Any) -> Message:
    values = {"kind": Kind.ALREADY_ACTIVE, "address": "a@exemple.net", "status": Status.SENT, **facts}
    return Message.objects.create(created_at=at, **values)


def a_link_request(at: datetime) -> LinkRequest:
    return LinkRequest.objects.create(login="personne", language="fr", requested_at=at)


def an_entry(at: datetime) -> JournalEntry:
    return JournalEntry.objects.create(account=None, event=Event.SIGN_IN_FAILED, at=at)


def a_session(at: datetime) -> Session:
    return Session.objects.create(session_key=f"{at.timestamp()}", session_data="", expire_date=at)


def a_former_address(at: datetime) -> RecoveryAddressChange:
    facts = {"account": active_account(), "new_address": "b@exemple.net", "asked_at": at, "confirmed_at": at}
    return RecoveryAddressChange.objects.create(**facts)


def a_corrected_address(at: datetime) -> RecoveryAddressCorrection:
    return RecoveryAddressCorrection.objects.create(
        account=active_account(), new_address="b@exemple.net", note="?", proposed_at=at, given_up_at=at
    )


def a_request(at: datetime) -> AssistanceRequest:
    return AssistanceRequest.objects.create(
        reference=f"A-{AssistanceRequest.objects.count()}",
        state=RequestState.SOLVED,
        reason=Reason.choices[0][0],
        profile=Profile.STAFF,
        typed_address="a@univ-exemple.fr",
        contact_address="a@exemple.net",
        phone="+33611223344",
        description="?",
        language="fr",
        taken_at=at,
        closed_at=at,
    )


def an_import(at: datetime) -> HrImport:
    return HrImport.objects.create(
        state=ImportState.DONE, file_name="personnel.csv", size=1, sha256="?", approved_at=at, ended_at=at
    )


def an_enrolment_code(at: datetime) -> EnrolmentCode:
    return EnrolmentCode.objects.create(account=active_account(), digest="?", given_at=at, expires_at=at)


SEEDS: dict[str, tuple[int, Seed]] = {
    "mails": (365, a_mail),
    "link-requests": (30, a_link_request),
    "journal": (365, an_entry),
    "sessions": (0, a_session),
    "former-recovery-addresses": (365, a_former_address),
    "corrected-recovery-addresses": (365, a_corrected_address),
    "assistance-requests": (365, a_request),
    "hr-imports": (90, an_import),
    "enrolment-codes": (0, an_enrolment_code),
}
#: Tested one by one: rows that change instead of being deleted, or are deleted after the person left.
ON_THEIR_OWN = {
    "assistance-facts",
    "charter-acceptances",
    "departed-people",
    "directory-choices",
    "hr-files",
    "never-activated",
    "unapproved-recovery-addresses",
    "waiting-recovery-addresses",
    "waiting-redirections",
}


def left(days: int, *, activated: bool = True, **facts: Any) -> Account:
    """Left so many days ago."""
    account = active_account(**facts) if activated else pending_account(**facts)
    account.end_date = TODAY - timedelta(days=days)
    account.save(update_fields=["end_date"])
    return account


def is_erased(account: Account) -> bool:
    return Account.objects.get(pk=account.pk).erased_at is not None


def run(*options: str) -> str:
    output = StringIO()
    call_command("purge", *options, stdout=output)
    return output.getvalue()


# Both sides of each limit


def test_rows_older_than_their_limit_are_deleted_and_younger_ones_stay():
    """PRV-05: idempotent, announced by the dry run, recorded in the journal."""
    assert {kind.name for kind in retention.retention_rules()} == set(SEEDS) | ON_THEIR_OWN
    second = timedelta(seconds=1)
    old = {name: seed(days_ago(days) - second) for name, (days, seed) in SEEDS.items()}
    young = {name: seed(days_ago(days) + second) for name, (days, seed) in SEEDS.items()}
    preview = preview_purge()
    first, second_run = purge(), purge()
    for name in SEEDS:
        assert (preview[name], first[name], second_run[name]) == (1, 1, 0), name
        assert not type(old[name])._base_manager.filter(pk=old[name].pk).exists(), name
        assert type(young[name])._base_manager.filter(pk=young[name].pk).exists(), name
    entry = JournalEntry.objects.filter(event=Event.DATA_PURGED).earliest("pk")
    assert (entry.account, entry.details) == (None, {"gone": first, "failed": []})


def test_the_facts_of_a_request_are_deleted_before_the_request_and_an_open_one_never():
    """PRV-04, PRV-05"""
    old, young, still_open = a_request(days_ago(31)), a_request(days_ago(29)), a_request(days_ago(4000))
    rows = AssistanceRequest.objects.order_by("pk")
    rows.update(birth_date_typed=TODAY)
    rows.filter(pk=still_open.pk).update(state=RequestState.NEW, taken_at=None, closed_at=None)
    assert [purge()[name] for name in ("assistance-facts", "assistance-requests")] == [1, 0]
    assert list(rows.values_list("pk", "birth_date_typed")) == [
        (old.pk, None),
        (young.pk, TODAY),
        (still_open.pk, TODAY),
    ]


def test_an_unfinished_mail_is_never_purged():
    kept = [a_mail(days_ago(1000), status=status, leased_until=NOW) for status in (Status.QUEUED, Status.SENDING)]
    purge()
    assert list(Message.objects.order_by("pk")) == kept


def test_accounts_are_erased_after_the_departure_and_agents_never():
    """PRV-05: nor people still employed, however long they wait."""
    erased = [left(366), left(31, activated=False)]
    kept = [left(365), left(30, activated=False), pending_account(created_at=days_ago(5000))]
    kept += [left(5000, **{right: True}) for right in ("is_staff", "is_superuser")]
    counts = purge()
    assert all(map(is_erased, erased))
    assert not any(map(is_erased, kept))
    assert (counts["departed-people"], counts["never-activated"]) == (1, 1)
    assert purge()["departed-people"] == purge()["never-activated"] == 0


def test_proofs_are_deleted_five_years_after_the_departure(time_machine):
    """PRV-01, PRV-02, PRV-05: never while the person is employed."""
    account, employed = left(366), active_account()
    DirectoryConsent.objects.filter(account=employed).update(decided_at=days_ago(10_000))
    purge()
    assert is_erased(account)
    assert (account.charter_acceptances.count(), account.directory_consents.count()) == (1, 1)
    time_machine.move_to(NOW + timedelta(days=1826 - 366), tick=False)
    assert purge()["charter-acceptances"] == 0
    time_machine.move_to(NOW + timedelta(days=1826 - 366 + 1), tick=False)
    counts = purge()
    assert (counts["charter-acceptances"], counts["directory-choices"]) == (1, 1)
    assert CharterAcceptance.objects.get().account == DirectoryConsent.objects.get().account == employed


# Addresses that were never confirmed


def test_an_unconfirmed_redirection_is_cancelled_after_a_week():
    """FWD-03: except after a recent mail; a confirmed one stays."""
    old, young, resent, confirmed = (active_account() for _ in range(4))
    for account, days in ((old, 8), (young, 6), (resent, 20)):
        change_redirection(account=account, target=WAITING, keep_copy=False)
        Redirection.objects.filter(account=account).update(chosen_at=days_ago(days))
        Message.objects.filter(person=account).update(created_at=days_ago(days))
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
        request_recovery_change(account=account, address=f"nouvelle{days}@exemple.org")
        RecoveryAddressChange.objects.filter(account=account).update(asked_at=days_ago(days))
        Message.objects.filter(person=account).update(created_at=days_ago(days))
    resend_recovery_verification(account=resent)
    corrections = [
        RecoveryAddressCorrection.objects.create(
            account=active_account(),
            new_address=WAITING,
            note="?",
            proposed_at=days_ago(days),
            approved_at=approved_at,
            effective_at=approved_at and approved_at + timedelta(days=1),
        )
        for days, approved_at in ((8, None), (6, None), (9, days_ago(8)))
    ]

    rules = ("waiting-recovery-addresses", "unapproved-recovery-addresses")
    assert [[counts[rule] for rule in rules] for counts in (purge(), purge())] == [[1, 1], [0, 0]]
    assert set(RecoveryAddressChange.objects.waiting().values_list("account", flat=True)) == {young.pk, resent.pk}
    assert old.journal.filter(event=Event.RECOVERY_CHANGE_EXPIRED).count() == 1
    assert list(RecoveryAddressCorrection.objects.open().order_by("pk")) == corrections[1:]
    [entry] = corrections[0].account.journal.filter(event=Event.RECOVERY_REPLACEMENT_GIVEN_UP)
    assert (entry.actor, entry.details) == (None, {"correction": corrections[0].pk})


# The run


def test_a_killed_purge_continues_where_it_stopped(monkeypatch):
    """AVL-09, PRV-05: each batch is a transaction."""
    monkeypatch.setattr(retention, "BATCH", 3)
    for _ in range(8):
        a_link_request(days_ago(31))
    delete, batches = retention.delete_rows, []

    def die_in_the_second(rows: list[Any]) -> None:
        delete(rows)
        batches.append(len(rows))
        if len(batches) == 2:
            raise KeyboardInterrupt

    [rule] = [rule for rule in retention.retention_rules() if rule.name == "link-requests"]
    dying = retention.RetentionRule(rule.name, rule.setting, rule.find, die_in_the_second, rule.lock)
    with pytest.raises(KeyboardInterrupt):
        retention.apply_rule(dying, now=NOW)

    assert LinkRequest.objects.count() == 5
    assert purge()["link-requests"] == 5


def test_a_rule_that_fails_does_not_stop_the_others(monkeypatch):
    """AVL-09: the exit code tells."""

    def fail(rows: list[Any]) -> None:
        raise DatabaseError("no")

    broken = retention.RetentionRule("aaa-broken", None, lambda limit: JournalEntry.objects.all(), fail, ("self",))
    monkeypatch.setitem(retention._rules, "aaa-broken", broken)
    an_entry(NOW)
    a_link_request(days_ago(31))

    for act in (purge, run):
        with pytest.raises((PurgeIncomplete, CommandError), match="aaa-broken"):
            act()

    assert not LinkRequest.objects.exists()
    assert JournalEntry.objects.filter(event=Event.DATA_PURGED).first().details["failed"] == ["aaa-broken"]


def test_the_command_prints_counts_and_its_dry_run_changes_nothing():
    a_link_request(days_ago(31))
    left(366)
    preview = run("--dry-run")
    assert "link-requests\N{NO-BREAK SPACE}: 1" in preview
    assert "departed-people\N{NO-BREAK SPACE}: 1" in preview
    assert LinkRequest.objects.exists()
    assert not JournalEntry.objects.filter(event=Event.DATA_PURGED).exists()
    assert "link-requests\N{NO-BREAK SPACE}: 1" in run()
    assert not LinkRequest.objects.exists()


def test_the_rights_of_the_portals_role_are_enough_and_the_journal_is_append_only_afterwards():
    """LOG-03: the role owns no table (deploy/roles.sh)."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE role_of_a_test NOLOGIN; GRANT USAGE ON SCHEMA public TO role_of_a_test")
        cursor.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO role_of_a_test")
        cursor.execute("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO role_of_a_test")
    account = left(366)
    an_entry(days_ago(366))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE role_of_a_test")
    counts = purge()
    assert (counts["journal"], counts["departed-people"]) == (1, 1)
    assert is_erased(account)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        JournalEntry.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


@pytest.mark.django_db(transaction=True)
def test_a_locked_row_is_skipped_until_the_next_night():
    """AVL-05"""
    held, free = a_link_request(days_ago(31)), a_link_request(days_ago(31))

    def purge_in_another_connection() -> dict[str, int]:
        try:
            return purge()
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as thread:
        LinkRequest.objects.select_for_update().get(pk=held.pk)
        counts = thread.submit(purge_in_another_connection).result(timeout=10)

    assert counts["link-requests"] == 1
    assert list(LinkRequest.objects.values_list("pk", flat=True)) == [held.pk]
    assert not LinkRequest.objects.filter(pk=free.pk).exists()


# Schedule and promises


def test_the_nightly_tasks_are_scheduled_with_limits_of_a_day_at_least():
    """SUP-02"""
    app.loader.import_default_modules()
    schedule = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
    for task in ("privacy.tasks.purge_old_data", "accounts.tasks.announce_closings", "activation.tasks.remind"):
        assert task in app.tasks
        assert isinstance(schedule[task], crontab)
    assert checked_days("REMINDERS_AT_MOST", 0, least=0) == 0
    with pytest.raises(ImproperlyConfigured, match="RETENTION_JOURNAL_DAYS"):
        checked_days("RETENTION_JOURNAL_DAYS", 0)


def test_the_page_about_personal_data_states_every_limit_of_the_settings(client, settings):
    """PRV-03, PRV-05"""
    template = Path(django_settings.BASE_DIR / "templates/pages/donnees-personnelles.html").read_text(encoding="utf-8")
    used = {kind.setting for kind in retention.retention_rules() if kind.setting}
    assert used == {name for name in dir(django_settings) if name.startswith("RETENTION_")}
    assert all(f'"{name}"' in template for name in used)
    settings.RETENTION_WAITING_DAYS, settings.RETENTION_DEPARTED_DAYS = 11, 730
    page = client.get(reverse("privacy")).content.decode()
    for promise in ("11 jours", "2 ans", "12 mois", "30 jours", "5 ans"):
        assert promise.replace(" ", "\N{NO-BREAK SPACE}") in page
