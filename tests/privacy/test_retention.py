"""Data go by themselves when they have been kept long enough, whatever happens to the purge (PRV-05)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from celery.schedules import crontab
from django.conf import settings as portal
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
from journal.services import record_event
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
    """The hour of the purge."""
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
    return RecoveryAddressChange.objects.create(
        account=active_account(), new_address="b@exemple.net", asked_at=at, confirmed_at=at
    )


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
#: Kinds whose rows change instead of going, or go by the day of a departure: tested below, one by one.
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
    """Somebody whose last day was so long ago."""
    person = active_account(**facts) if activated else pending_account(**facts)
    person.end_date = TODAY - timedelta(days=days)
    person.save(update_fields=["end_date"])
    return person


def is_erased(person: Account) -> bool:
    return Account.objects.get(pk=person.pk).erased_at is not None


def test_every_kind_of_data_is_tested_here():
    assert {kind.name for kind in retention.retention_rules()} == set(SEEDS) | ON_THEIR_OWN


# Both sides of each limit


@pytest.mark.parametrize("name", SEEDS)
def test_what_is_too_old_goes_and_what_is_younger_stays(name):
    """PRV-05: twice is once."""
    days, seed = SEEDS[name]
    old = seed(days_ago(days) - timedelta(seconds=1))
    young = seed(days_ago(days) + timedelta(seconds=1))
    seen = preview_purge()[name]

    first, second = purge()[name], purge()[name]

    assert (seen, first, second) == (1, 1, 0)
    assert not type(old)._base_manager.filter(pk=old.pk).exists()
    assert type(young)._base_manager.filter(pk=young.pk).exists()


def test_the_birth_date_of_a_request_goes_long_before_the_request():
    """PRV-04, PRV-05."""
    old, young = a_request(days_ago(31)), a_request(days_ago(29))
    AssistanceRequest.objects.update(birth_date_typed=TODAY)

    assert purge()["assistance-facts"] == 1
    assert purge()["assistance-facts"] == 0

    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.birth_date_typed, young.birth_date_typed) == (None, TODAY)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SENDING])
def test_a_mail_that_may_still_leave_is_never_purged(status):
    mail = a_mail(days_ago(1000), status=status, leased_until=NOW)

    purge()

    assert Message.objects.filter(pk=mail.pk).exists()


def test_proofs_outlive_the_data_of_who_left_and_then_go(time_machine):
    """PRV-01, PRV-02, PRV-05."""
    person = left(366)
    purge()
    assert is_erased(person)
    assert (person.charter_acceptances.count(), person.directory_consents.count()) == (1, 1)

    time_machine.move_to(NOW + timedelta(days=1826 - 366), tick=False)
    assert (purge()["charter-acceptances"], CharterAcceptance.objects.count()) == (0, 1)
    time_machine.move_to(NOW + timedelta(days=1826 - 366 + 1), tick=False)
    gone = purge()

    assert (gone["charter-acceptances"], gone["directory-choices"]) == (1, 1)
    assert not CharterAcceptance.objects.exists()
    assert not DirectoryConsent.objects.exists()


def test_who_has_not_left_keeps_proofs_however_old():
    person = active_account()
    DirectoryConsent.objects.update(decided_at=days_ago(10_000))

    purge()

    assert person.directory_consents.exists()
    assert person.charter_acceptances.exists()


@pytest.mark.parametrize(("activated", "days"), [(True, 365), (False, 30)])
def test_people_are_erased_some_time_after_they_left(activated, days):
    """PRV-05."""
    gone, kept = left(days + 1, activated=activated), left(days, activated=activated)

    counts = purge()

    assert (is_erased(gone), is_erased(kept)) == (True, False)
    assert counts["departed-people"] + counts["never-activated"] == 1
    assert purge()["departed-people"] == purge()["never-activated"] == 0


def test_whom_hr_still_employs_is_kept_however_long_they_wait():
    """PRV-05: they may yet activate their account."""
    person = pending_account(created_at=days_ago(5000))

    purge()

    assert not is_erased(person)


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_agents_are_not_erased_by_themselves(right):
    agent = left(5000, **{right: True})

    purge()

    assert not is_erased(agent)


# Addresses that wait


def test_a_redirection_that_nobody_confirms_is_given_up_after_a_week(visitor):
    """FWD-03: the decision goes back to « aucune », and the history says why."""
    old, young = active_account(), active_account()
    for person, days in ((old, 8), (young, 6)):
        change_redirection(account=person, target=WAITING, keep_copy=False)
        Redirection.objects.filter(account=person).update(chosen_at=days_ago(days))
        Message.objects.filter(person=person).update(created_at=days_ago(days))

    assert purge()["waiting-redirections"] == 1
    assert purge()["waiting-redirections"] == 0

    assert not Redirection.objects.get(account=old).is_wanted
    assert Redirection.objects.get(account=young).target == WAITING
    assert old.journal.get(event=Event.REDIRECTION_EXPIRED).details == {"target": WAITING}
    assert not Message.objects.filter(status=Status.QUEUED, kind=Kind.REDIRECTION_CHANGED, created_at__gte=NOW).exists()
    visitor.force_login(old)
    assert WAITING not in visitor.get(reverse("account")).content.decode()


def test_a_confirmed_redirection_is_for_good():
    person = active_account()
    change_redirection(account=person, target=person.recovery_address, keep_copy=True)
    Redirection.objects.update(chosen_at=days_ago(5000))

    purge()

    assert Redirection.objects.get().target == person.recovery_address


def test_a_redirection_that_was_written_to_lately_goes_on_waiting():
    """FWD-03: nobody finds a dead link in a fresh mail."""
    person = active_account()
    change_redirection(account=person, target=WAITING, keep_copy=False)
    Redirection.objects.update(chosen_at=days_ago(20))
    Message.objects.update(created_at=days_ago(20))
    resend_verification(account=person)

    assert purge()["waiting-redirections"] == 0


def test_a_recovery_address_that_nobody_confirms_is_given_up_after_a_week():
    """PRV-05: the one before stays."""
    old, young = active_account(), active_account()
    for person, days in ((old, 8), (young, 6)):
        request_recovery_change(account=person, address=f"nouvelle{days}@exemple.org")
        RecoveryAddressChange.objects.filter(account=person).update(asked_at=days_ago(days))
        Message.objects.filter(person=person).update(created_at=days_ago(days))

    assert purge()["waiting-recovery-addresses"] == 1
    assert purge()["waiting-recovery-addresses"] == 0

    assert not RecoveryAddressChange.objects.waiting().filter(account=old).exists()
    assert RecoveryAddressChange.objects.waiting().filter(account=young).exists()
    assert Account.objects.get(pk=old.pk).recovery_address == old.recovery_address
    assert old.journal.filter(event=Event.RECOVERY_CHANGE_EXPIRED).count() == 1


def test_a_recovery_address_that_no_second_agent_approves_is_given_up_after_a_week():
    """HLP-05: an approved one is not, however long the worker was away."""
    old, young, approved = (
        RecoveryAddressCorrection.objects.create(
            account=active_account(),
            new_address=WAITING,
            note="?",
            proposed_at=days_ago(days),
            approved_at=approved_at,
            effective_at=approved_at and approved_at + timedelta(days=1),
        )
        for days, approved_at in ((8, None), (6, None), (9, days_ago(8)))
    )

    assert purge()["unapproved-recovery-addresses"] == 1
    assert purge()["unapproved-recovery-addresses"] == 0

    assert list(RecoveryAddressCorrection.objects.open().order_by("pk")) == [young, approved]
    [entry] = old.account.journal.filter(event=Event.RECOVERY_REPLACEMENT_GIVEN_UP)
    assert (entry.actor, entry.details) == (None, {"correction": old.pk})


def test_a_recovery_address_that_was_written_to_lately_goes_on_waiting():
    person = active_account()
    request_recovery_change(account=person, address=WAITING)
    RecoveryAddressChange.objects.update(asked_at=days_ago(20))
    Message.objects.update(created_at=days_ago(20))
    resend_recovery_verification(account=person)

    assert purge()["waiting-recovery-addresses"] == 0


# The run


def test_a_purge_that_was_killed_is_taken_up_where_it_stopped(monkeypatch):
    """AVL-09, PRV-05: batches are their own transactions."""
    monkeypatch.setattr(retention, "BATCH", 3)
    for _ in range(8):
        a_link_request(days_ago(31))
    kind = next(kind for kind in retention.retention_rules() if kind.name == "link-requests")
    batches = []

    def dies_in_the_second(rows: list[Any]) -> None:
        retention.delete_rows(rows)
        batches.append(len(rows))
        if len(batches) == 2:
            raise KeyboardInterrupt

    dying = retention.RetentionRule(kind.name, kind.setting, kind.find, dies_in_the_second, kind.holding)
    with pytest.raises(KeyboardInterrupt):
        retention.apply_rule(dying, now=NOW)

    assert LinkRequest.objects.count() == 5
    assert purge()["link-requests"] == 5
    assert not LinkRequest.objects.exists()


def test_one_kind_that_fails_holds_up_no_other(monkeypatch):
    """AVL-09: and the command says so with its exit code."""

    def refuses(rows: list[Any]) -> None:
        raise DatabaseError("no")

    broken = retention.RetentionRule("aaa-broken", None, lambda limit: JournalEntry.objects.all(), refuses, ("self",))
    monkeypatch.setitem(retention._kinds, "aaa-broken", broken)
    an_entry(NOW)
    a_link_request(days_ago(31))

    with pytest.raises(PurgeIncomplete, match="aaa-broken"):
        purge()
    with pytest.raises(CommandError, match="aaa-broken"):
        call_command("purge", stdout=StringIO())

    assert not LinkRequest.objects.exists()
    assert JournalEntry.objects.filter(event=Event.DATA_PURGED).first().details["failed"] == ["aaa-broken"]


def test_each_run_is_in_the_journal_with_its_counts():
    """PRV-05, LOG-01."""
    a_link_request(days_ago(31))
    a_mail(days_ago(366))

    gone = purge()

    entry = JournalEntry.objects.get(event=Event.DATA_PURGED)
    assert entry.account is None
    assert entry.details == {"gone": gone, "failed": []}
    assert (gone["link-requests"], gone["mails"]) == (1, 1)


def test_a_trial_says_what_would_go_and_changes_nothing():
    a_link_request(days_ago(31))
    left(366)
    said = StringIO()

    call_command("purge", "--dry-run", stdout=said)

    assert "link-requests\N{NO-BREAK SPACE}: 1" in said.getvalue()
    assert "departed-people\N{NO-BREAK SPACE}: 1" in said.getvalue()
    assert LinkRequest.objects.exists()
    assert not JournalEntry.objects.filter(event=Event.DATA_PURGED).exists()


def test_the_command_says_what_went():
    a_link_request(days_ago(31))
    said = StringIO()

    call_command("purge", stdout=said)

    assert "link-requests\N{NO-BREAK SPACE}: 1" in said.getvalue()
    assert not LinkRequest.objects.exists()


def test_the_door_in_the_journal_is_shut_behind_the_purge():
    """LOG-03: even within the same transaction."""
    an_entry(days_ago(366))
    purge()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        JournalEntry.objects.all().delete()


def test_the_portals_own_role_is_enough():
    """LOG-03: it owns no table, and needs no more than it has (deploy/roles.sh)."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE role_of_a_test NOLOGIN; GRANT USAGE ON SCHEMA public TO role_of_a_test")
        cursor.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO role_of_a_test")
        cursor.execute("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO role_of_a_test")
    person = left(366)
    an_entry(days_ago(366))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE role_of_a_test")

    gone = purge()

    assert (gone["journal"], gone["departed-people"]) == (1, 1)
    assert is_erased(person)
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


@pytest.mark.django_db(transaction=True)
def test_what_somebody_has_in_hand_waits_for_the_next_night():
    """AVL-05: the purge neither waits nor takes it away."""
    held, free = a_link_request(days_ago(31)), a_link_request(days_ago(31))

    def purge_elsewhere() -> dict[str, int]:
        try:
            return purge()
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as thread:
        LinkRequest.objects.select_for_update().get(pk=held.pk)
        gone = thread.submit(purge_elsewhere).result(timeout=10)

    assert gone["link-requests"] == 1
    assert list(LinkRequest.objects.values_list("pk", flat=True)) == [held.pk]
    assert not LinkRequest.objects.filter(pk=free.pk).exists()


# By itself, and as promised


def test_beat_knows_the_nightly_tasks():
    app.loader.import_default_modules()
    schedule = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}

    for task in ("privacy.tasks.purge_old_data", "accounts.tasks.announce_closings", "activation.tasks.remind"):
        assert task in app.tasks
        assert isinstance(schedule[task], crontab)


def test_a_slip_in_a_setting_deletes_nothing():
    """SUP-02."""
    assert checked_days("RETENTION_JOURNAL_DAYS", 1) == 1
    assert checked_days("REMINDERS_AT_MOST", 0, least=0) == 0
    with pytest.raises(ImproperlyConfigured, match="RETENTION_JOURNAL_DAYS"):
        checked_days("RETENTION_JOURNAL_DAYS", 0)


def test_the_page_about_personal_data_promises_what_the_settings_say(visitor, settings):
    """PRV-03, PRV-05."""
    settings.RETENTION_WAITING_DAYS, settings.RETENTION_DEPARTED_DAYS = 11, 730
    page = visitor.get(reverse("privacy")).content.decode()

    for promise in ("11 jours", "2 ans", "12 mois", "30 jours", "5 ans"):
        assert promise.replace(" ", "\N{NO-BREAK SPACE}") in page


def test_every_duration_is_on_the_page_about_personal_data():
    """PRV-03."""
    template = Path(portal.BASE_DIR / "templates/pages/donnees-personnelles.html").read_text(encoding="utf-8")
    used = {kind.setting for kind in retention.retention_rules() if kind.setting}

    assert used == {name for name in dir(portal) if name.startswith("RETENTION_")}
    assert all(f'"{name}"' in template for name in used)


def test_the_journal_of_a_person_is_read_without_the_run(visitor):
    """The entry of the run belongs to nobody."""
    person = active_account()
    record_event(account=person, event=Event.SIGNED_IN)
    purge()

    assert not person.journal.filter(event=Event.DATA_PURGED).exists()
