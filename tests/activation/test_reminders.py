"""Reminders: a fresh link once the last one has expired, then every week, a few times, until somebody has had enough."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, State
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.recovery.corrections import correct_at_once
from activation.links import activation_link, reminders_link
from activation.models import Reminders
from activation.reminders.services import send_reminders, stop_reminders
from agents.roles import Role
from journal.events import Event
from outbox.deadlines import end_of_next_day
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from tests.agents.signed_in import an_agent
from tests.factories import active_account, pending_account
from tests.hr_feed.hr_files import imported, row
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

#: The first mail leaves on a Monday; its link is good until Tuesday night.
MONDAY = datetime(2026, 11, 16, 7, tzinfo=UTC)
WEDNESDAY = MONDAY + timedelta(days=2)


@pytest.fixture
def go_to(time_machine):
    """Another moment, at which time stands still."""

    def move(moment: datetime) -> None:
        time_machine.move_to(moment, tick=False)

    move(MONDAY)
    return move


@pytest.fixture(autouse=True)
def on_wednesday(go_to) -> None:
    """The link of Monday has expired."""
    go_to(WEDNESDAY)


def invited(at: datetime = MONDAY, *, status: Status = Status.SENT, **facts: Any) -> Account:
    """Somebody to whom the first link was mailed then."""
    person = pending_account(**facts)
    mailed(person, at, status=status)
    return person


def mailed(person: Account, at: datetime, *, kind: Kind = Kind.ACTIVATION, status: Status = Status.SENT) -> None:
    Message.objects.create(
        kind=kind,
        person=person,
        address=person.recovery_address,
        status=status,
        created_at=at,
        built_at=at,
        deadline=end_of_next_day(at),
        leased_until=at + timedelta(minutes=5),
    )


def reminders_of(person: Account) -> int:
    return Message.objects.filter(person=person, kind=Kind.ACTIVATION_REMINDER).count()


def stop_link(person: Account, *, at: datetime | None = None) -> str:
    deadline = reminders_link.deadline(at or timezone.now())
    return reverse("reminders-link", args=[reminders_link.token(person, deadline)])


# When


def test_a_reminder_follows_once_the_link_has_expired_and_not_before(go_to):
    """peers 27: not while the first mail can still be used."""
    person = invited()
    go_to(end_of_next_day(MONDAY))
    assert send_reminders() == 0
    go_to(end_of_next_day(MONDAY) + timedelta(seconds=2))

    assert send_reminders() == 1

    mail = Message.objects.get(person=person, kind=Kind.ACTIVATION_REMINDER)
    assert (mail.address, mail.priority, mail.status) == (person.recovery_address, Priority.BULK, Status.QUEUED)


def test_the_reminder_has_a_fresh_link_and_says_when_the_old_one_ended(mail_delivery):
    person = invited()
    send_reminders()

    mail = mail_delivery.last_mail()

    token = link_in(mail).strip("/").rpartition("/")[2]
    assert activation_link.open(token).account == person
    assert "a expiré le mardi 17\N{NO-BREAK SPACE}novembre 2026 à 23\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}59" in text_of(
        mail
    )


def test_then_every_week_and_no_more_than_a_few_times(go_to, mail_delivery):
    person, days_of_reminders = invited(), []
    for day in range(60):
        go_to(WEDNESDAY + timedelta(days=day))
        if send_reminders():
            days_of_reminders.append(day)
        mail_delivery.deliver()

    assert days_of_reminders == [0, 7, 14, 21]
    assert reminders_of(person) == 4
    assert Reminders.objects.get().sent == 4


@pytest.mark.parametrize("corrected_by", ["HR", "an agent"])
def test_a_corrected_address_is_reminded_from_the_beginning(go_to, mail_delivery, settings, corrected_by):
    """Those of before went to somebody else, or to nobody: neither their number nor their week counts."""
    settings.REMINDERS_AT_MOST = 1
    person = invited()
    assert send_reminders() == 1
    mail_delivery.deliver()
    go_to(WEDNESDAY + timedelta(days=2))
    assert send_reminders() == 0

    correct(person, corrected_by)
    mail_delivery.deliver()
    reminded = days_with_a_reminder(go_to, mail_delivery, since=WEDNESDAY + timedelta(days=3))

    # The day after the new link has ended, and no more.
    assert reminded == [WEDNESDAY + timedelta(days=4)]
    to = person.messages.filter(kind=Kind.ACTIVATION_REMINDER).order_by("pk").values_list("address", flat=True)
    assert list(to) == [person.recovery_address, "juste@exemple.net"]


def correct(person: Account, by: str) -> None:
    """Somebody finds the slip in the recovery address."""
    if by == "HR":
        imported(row(hr_id=person.hr_id, recovery_address="juste@exemple.net"))
        return
    agent = an_agent(Role.RESPONSABLES)
    correct_at_once(account=person, agent=agent, address="juste@exemple.net", reason="Faute de frappe des RH.")


def days_with_a_reminder(go_to, mail_delivery, *, since: datetime) -> list[datetime]:
    """On which of thirty days somebody was reminded."""
    reminded = []
    for day in range(30):
        go_to(since + timedelta(days=day))
        if send_reminders():
            reminded.append(timezone.now())
        mail_delivery.deliver()
    return reminded


def test_never_twice_on_one_day():
    invited()

    assert (send_reminders(), send_reminders()) == (1, 0)


def test_the_settings_decide_how_often(go_to, mail_delivery, settings):
    settings.REMINDERS_EVERY_DAYS, settings.REMINDERS_AT_MOST = 3, 2
    person = invited()
    for day in range(20):
        go_to(WEDNESDAY + timedelta(days=day))
        send_reminders()
        mail_delivery.deliver()

    assert reminders_of(person) == 2


@pytest.mark.parametrize("name", ["REMINDERS_EVERY_DAYS", "REMINDERS_AT_MOST"])
def test_a_university_may_do_without(settings, name):
    setattr(settings, name, 0)
    invited()

    assert send_reminders() == 0


# Whom


@pytest.mark.parametrize(
    "facts",
    [
        {"recovery_address_disputed_at": MONDAY},
        {"recovery_address": ""},
        {"end_date": (WEDNESDAY - timedelta(days=1)).date()},
    ],
)
def test_nobody_is_reminded_at_an_address_of_somebody_else_or_after_leaving(facts):
    invited(**facts)

    assert send_reminders() == 0


@pytest.mark.parametrize("status", [Status.BOUNCED, Status.COMPLAINED, Status.REFUSED])
def test_an_address_that_refuses_mail_is_left_alone(status):
    """EML-06."""
    invited(status=status)

    assert send_reminders() == 0


@pytest.mark.parametrize("status", [Status.DELIVERED, Status.GIVEN_UP])
def test_an_address_that_did_not_refuse_is_written_to(status):
    invited(status=status)

    assert send_reminders() == 1


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SENDING])
def test_whose_mail_is_still_on_its_way_is_not_reminded(status):
    invited(status=status)

    assert send_reminders() == 0


def test_who_never_got_a_link_is_not_reminded_of_one():
    pending_account()

    assert send_reminders() == 0


def test_who_has_just_asked_for_a_new_link_is_not_reminded():
    person = invited()
    mailed(person, WEDNESDAY - timedelta(hours=1), kind=Kind.NEW_LINK)

    assert send_reminders() == 0


def test_who_is_active_or_locked_is_not_reminded():
    active = active_account()
    mailed(active, MONDAY)
    lock_account(account=invited(), reason=LockReason.OTHER)

    assert send_reminders() == 0


def test_who_activates_before_the_mail_leaves_is_not_written_to(mail_delivery):
    person = invited()
    send_reminders()
    Account.objects.filter(pk=person.pk).update(activated_at=WEDNESDAY, charter_accepted_at=WEDNESDAY, password="x")

    assert mail_delivery.deliver() == []
    assert Message.objects.get(kind=Kind.ACTIVATION_REMINDER).status == Status.CANCELLED


def test_who_asks_for_a_link_before_the_mail_leaves_gets_one_mail(mail_delivery):
    person = invited()
    send_reminders()
    mailed(person, WEDNESDAY, kind=Kind.NEW_LINK)

    assert mail_delivery.deliver() == []


def test_batches_reach_everybody(monkeypatch):
    """AVL-09."""
    monkeypatch.setattr("activation.reminders.services.BATCH", 2)
    people = [invited() for _ in range(5)]

    assert send_reminders() == 5
    assert [reminders_of(person) for person in people] == [1] * 5


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_remind_everybody_once():
    """AVL-05."""
    people = [invited() for _ in range(6)]
    barrier = Barrier(2)

    def remind_elsewhere(_: int) -> int:
        try:
            barrier.wait(timeout=10)
            return send_reminders()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        reminded = list(threads.map(remind_elsewhere, range(2)))

    assert sum(reminded) == 6
    assert [reminders_of(person) for person in people] == [1] * 6


# Enough of it


def test_the_link_in_the_mail_stops_them_without_signing_in(mail_delivery, client, go_to):
    person = invited()
    send_reminders()
    link = text_of(mail_delivery.last_mail()).split(":8000")[2].split()[0]
    assert link.startswith("/rappels/")

    client.get(link, follow=True)
    assert not Reminders.objects.filter(stopped_for=person.recovery_address).exists()
    answer = client.post(reverse("reminders"), follow=True)

    assert answer.redirect_chain == [(reverse("reminders-stopped"), 302)]
    assert Reminders.objects.get().stopped_for == person.recovery_address
    assert person.journal.filter(event=Event.REMINDERS_STOPPED).count() == 1
    go_to(WEDNESDAY + timedelta(days=8))
    assert send_reminders() == 0
    assert Account.objects.get(pk=person.pk).state == State.PENDING


def test_opening_the_link_changes_nothing(client):
    """TOK-06: scanners open links."""
    for method in ["get", "head"]:
        person = invited()

        for _ in range(3):
            getattr(client, method)(stop_link(person), follow=True)

        assert not Reminders.objects.exists()
        assert not person.journal.exists()


def test_the_token_leaves_the_address_bar_at_once(client):
    """TOK-09."""
    answer = client.get(stop_link(invited()))

    assert (answer.status_code, answer["Location"]) == (302, reverse("reminders"))
    assert answer["Referrer-Policy"] == "no-referrer"


def test_stopping_twice_is_stopping_once(client):
    person = invited()
    stop_reminders(account=person)
    stop_reminders(account=person)

    client.get(stop_link(person))
    answer = client.post(reverse("reminders"))

    assert answer.status_code == 410
    assert person.journal.filter(event=Event.REMINDERS_STOPPED).count() == 1


def test_the_reader_of_a_wrong_address_stops_them_for_that_address_only(go_to):
    """TOK-07: once HR has corrected it, the right person is reminded, and the old link is dead."""
    person = invited()
    old_link = stop_link(person)
    stop_reminders(account=person)
    Account.objects.filter(pk=person.pk).update(recovery_address="juste@exemple.net")
    person.refresh_from_db()
    mailed(person, WEDNESDAY)
    go_to(WEDNESDAY + timedelta(days=2))

    assert Client().get(old_link).status_code == 404
    assert send_reminders() == 1


def test_an_old_link_says_so(client, go_to):
    link = stop_link(invited())
    go_to(WEDNESDAY + timedelta(days=92))

    assert client.get(link, follow=True).status_code == 410


def test_a_made_up_link_opens_nothing(client):
    """TOK-10."""
    for token in ["x", "a" * 97, "é", "-" * 5000]:
        assert client.get(reverse("reminders-link", args=[token])).status_code == 404


def test_the_page_by_itself_opens_nothing(client):
    assert client.get(reverse("reminders")).status_code == 404
    assert client.post(reverse("reminders")).status_code == 404


def test_the_page_tells_nobody_whose_account_it_is(client):
    """TOK-10: the mailbox may be somebody else's."""
    person = invited()
    page = client.get(stop_link(person), follow=True).content.decode()

    for fact in (person.login, person.given_name, person.family_name, person.recovery_address):
        assert fact not in page


def test_stopping_takes_nothing_away(client):
    person = invited()
    token = activation_link.token(person, activation_link.deadline(timezone.now()))

    stop_reminders(account=person)

    assert activation_link.open(token).account == person
