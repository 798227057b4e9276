"""Erasing somebody's data: nothing personal is left, what the law keeps is, and nobody takes their place (PRV-07)."""

from datetime import date, timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, State
from accounts.links.base import InvalidLink
from accounts.links.links import not_me_link, password_reset_link
from accounts.locking.lock import lock_account
from accounts.models import Account, RecoveryAddressCorrection, Session
from activation.models import Reminders
from assistance.enums import Profile, Reason
from assistance.models import AssistanceRequest
from directory.models import active_people, listed_people
from directory.services import record_directory_consent
from journal.events import Event
from journal.models import JournalEntry
from journal.triggers import allow_retention
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from privacy.erasure import AccountIsAgent, erase_person, kept_relations
from privacy.export import relations
from tests.accounts.recovery.recovering import browser_of, change_to, fresh, wish
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.hr_feed.hr_files import imported, row
from tests.locking import PROVEN

pytestmark = pytest.mark.django_db

LOGIN = "x17@univ-exemple.fr"
#: None of it is in the names that stay.
PERSONAL = (
    "Zéphyrine",
    "Quintefeuille",
    "1984-02-29",
    "0123456789A",
    "33611223344",
    "Laboratoire",
    "premiere@exemple.net",
    "seconde@exemple.org",
    "troisieme@exemple.org",
    "quatrieme@exemple.org",
    "ailleurs@exemple.org",
    "198.51.100.42",
)


@pytest.fixture
def person() -> Account:
    """Somebody of whom everything is known, and who has left."""
    someone = active_account(
        hr_id="HR-X17",
        uid="x17",
        institutional_address=LOGIN,
        given_name="Zéphyrine",
        family_name="Quintefeuille",
        recovery_address="premiere@exemple.net",
        ine="0123456789A",
        phone="+33611223344",
        employer="Laboratoire",
        start_date=date(2020, 9, 1),
    )
    change_redirection(account=someone, target="ailleurs@exemple.org", keep_copy=True)
    record_directory_consent(account=someone, listed=True, wording="?")
    change_to(someone, "seconde@exemple.org")
    lock_account(account=someone, reason=LockReason.OTHER)
    someone.locks.update(released_at=timezone.now(), **PROVEN)
    wish(someone, "troisieme@exemple.org")
    RecoveryAddressCorrection.objects.create(account=someone, new_address="quatrieme@exemple.org", note="?")
    Reminders.objects.create(account=someone, sent=1)
    visitor = Client(REMOTE_ADDR="198.51.100.42")
    visitor.post(reverse("login"), {"login": LOGIN, "password": A_GOOD_PASSWORD})
    visitor.post(reverse("forgotten-password"), {"login": LOGIN})
    return leave(someone)


def leave(someone: Account) -> Account:
    Account.objects.filter(pk=someone.pk).update(end_date=timezone.localdate() - timedelta(days=1))
    return fresh(someone)


def tables_that_say(text: str) -> set[str]:
    """Every table of the portal in which some row has these letters in some column."""
    found = set()
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}" t WHERE t::text ILIKE %s)', [f"%{text}%"])
            if cursor.fetchone()[0]:
                found.add(model._meta.label)
    return found


def run(login: str = LOGIN, *options: str) -> str:
    said = StringIO()
    call_command("erase_person", login, *options, stdout=said)
    return said.getvalue()


def test_nothing_personal_is_left_in_any_table(person):
    """PRV-07: whichever table it was in, tables made tomorrow included."""
    before = {text: tables_that_say(text) for text in PERSONAL}
    assert all(before.values()), before

    assert erase_person(account=person) is True

    assert {text: tables_that_say(text) for text in PERSONAL} == {text: set() for text in PERSONAL}


def test_only_what_somebody_has_a_reason_to_keep_still_points_at_the_account(person):
    """PRV-07."""
    erase_person(account=person)

    left = {
        relation.name
        for relation in relations()
        if relation.related_model._base_manager.filter(**{relation.field.name: person}).exists()
    }
    assert left == set(kept_relations()) == {"journal", "charter_acceptances", "directory_consents"}


def test_proofs_and_the_thread_of_events_are_kept(person):
    """PRV-01, PRV-07: which text was accepted, what happened and when; no address, no detail."""
    events = list(person.journal.order_by("pk").values_list("pk", "event", "at"))

    erase_person(account=person)

    entries = person.journal.order_by("pk")
    assert list(entries.values_list("pk", "event", "at"))[:-1] == events
    assert entries.last().event == Event.USER_ERASED
    assert set(entries.values_list("client_address", "device")) == {(None, "")}
    assert all(details == {} for details in entries.values_list("details", flat=True))
    assert person.charter_acceptances.get().text_sha256


def test_the_account_is_closed_for_good(person):
    visitor = Client()
    entry = person.journal.last()
    tokens = [
        (password_reset_link, password_reset_link.token(person, timezone.now() + timedelta(minutes=30))),
        (not_me_link, not_me_link.token(person, timezone.now() + timedelta(days=1), entry.pk)),
    ]
    erase_person(account=person)

    erased = fresh(person)
    assert erased.state == State.CLOSED
    assert not erased.has_usable_password()
    assert visitor.post(reverse("login"), {"login": LOGIN, "password": A_GOOD_PASSWORD}).status_code == 200
    for link, token in tokens:
        with pytest.raises(InvalidLink):
            link.open(token)
    assert not Message.objects.filter(person=person).exists()


def test_somebody_signed_in_is_signed_out():
    person = active_account()
    browser = browser_of(person)

    erase_person(account=person)

    assert not Session.objects.filter(account=person).exists()
    assert browser.get(reverse("account")).status_code == 302
    assert fresh(person).state == State.CLOSED


def test_the_directory_forgets_at_once_and_does_not_remember_a_yes():
    """PRV-02: should HR employ them again, nobody is listed by an answer of the past."""
    person = active_account()
    record_directory_consent(account=person, listed=True, wording="?")
    assert person in listed_people()

    erase_person(account=person)

    assert person not in active_people()
    assert person.directory_consents.latest_first().first().listed is False


def test_what_was_asked_of_the_assistance_goes_too(person):
    """PRV-07: whoever wrote it, it is about the person."""
    request = AssistanceRequest.objects.create(
        reference="A-1",
        reason=Reason.choices[0][0],
        profile=Profile.STAFF,
        typed_address=LOGIN,
        account=person,
        contact_address="premiere@exemple.net",
        phone="+33611223344",
        description="Je suis Zéphyrine",
        language="fr",
    )

    erase_person(account=person)

    assert not AssistanceRequest.objects.filter(pk=request.pk).exists()


def test_a_second_time_changes_nothing(person):
    erase_person(account=person)
    erased_at, entries = fresh(person).erased_at, JournalEntry.objects.count()

    assert erase_person(account=person) is False

    assert (fresh(person).erased_at, JournalEntry.objects.count()) == (erased_at, entries)


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_an_agent_answers_for_what_was_done(person, right):
    """PRV-07: first the rights, then the data."""
    Account.objects.filter(pk=person.pk).update(**{right: True})

    with pytest.raises(AccountIsAgent):
        erase_person(account=person)
    with pytest.raises(CommandError, match="agent"):
        run()

    assert fresh(person).given_name == "Zéphyrine"


def test_others_are_left_alone(person):
    other = active_account(family_name="Autre", employer="Bibliothèque")
    before = Account.objects.filter(pk=other.pk).values().get(), other.journal.count()

    erase_person(account=person)

    assert (Account.objects.filter(pk=other.pk).values().get(), other.journal.count()) == before
    assert other.charter_acceptances.exists()


def test_all_or_nothing(person, monkeypatch):
    """AVL-09."""

    def fails(**kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("privacy.erasure.record_event", fails)
    with pytest.raises(OSError, match="disk full"), transaction.atomic():
        erase_person(account=person)

    assert fresh(person).given_name == "Zéphyrine"
    assert Message.objects.filter(person=person).exists()


# The command


def test_the_command_says_what_is_kept_and_why(person):
    said = run()

    assert "Les données personnelles sont effacées." in said
    assert f"{LOGIN}, x17, HR-X17" in said
    assert "personne d’autre" in said
    assert "charter_acceptances (1)" in said
    assert "Zéphyrine" not in said
    assert "étaient déjà effacées" in run()


def test_the_command_takes_the_identifier_as_people_type_it(person):
    run("X17")

    assert fresh(person).erased_at is not None


def test_the_command_stops_before_erasing_somebody_whom_hr_still_employs():
    person = pending_account()

    with pytest.raises(CommandError, match="RH"):
        run(person.login)
    assert fresh(person).erased_at is None

    run(person.login, "--still-employed")
    assert fresh(person).state == State.CLOSED


@pytest.mark.parametrize("login", ["nobody", "", "a b@c", "x" * 500])
def test_the_command_refuses_an_identifier_that_nobody_has(login):
    with pytest.raises(CommandError, match="identifiant"):
        run(login)


# The HR file afterwards


def test_the_names_are_never_given_to_anybody_else():
    """ADM-08: neither address nor short name."""
    imported(row())
    camille = leave(Account.objects.get(hr_id="HR1"))
    erase_person(account=camille)

    imported(row(hr_id="HR2"))

    namesake = Account.objects.get(hr_id="HR2")
    assert (namesake.login, namesake.uid) == ("camille.durand2@univ-exemple.fr", "cdurand2")


def test_a_file_that_still_lists_who_left_brings_nothing_back():
    """PRV-07, ADM-08."""
    yesterday = (timezone.localdate() - timedelta(days=1)).isoformat()
    imported(row(end_date=yesterday))
    camille = Account.objects.get()
    erase_person(account=camille)

    report = imported(row(end_date=yesterday))

    assert (report.created, report.updated, report.corrected, report.unchanged) == (0, 0, 0, 1)
    assert fresh(camille).given_name == ""
    assert Account.objects.count() == 1


def test_whom_hr_employs_again_gets_their_own_names_back_and_activates_anew(postman):
    """ADM-08: the same person, so the same address; everything else is asked again."""
    yesterday = (timezone.localdate() - timedelta(days=1)).isoformat()
    imported(row(end_date=yesterday))
    camille = Account.objects.get()
    erase_person(account=camille)

    imported(row())

    back = fresh(camille)
    assert (back.state, back.erased_at, back.full_name) == (State.PENDING, None, "Camille Durand")
    assert back.login == "camille.durand@univ-exemple.fr"
    assert back.recovery_address == "camille.durand@exemple.net"
    [mail] = Message.objects.filter(person=back, kind=Kind.ACTIVATION, status=Status.QUEUED)
    assert mail.address == "camille.durand@exemple.net"
    assert len(postman.deliver()) == 1


# The door


@pytest.mark.parametrize(
    "change",
    [
        "event = 'x', details = '{}', client_address = NULL, device = ''",
        "at = now() - interval '1 year', details = '{}', client_address = NULL, device = ''",
        "account_id = NULL, details = '{}', client_address = NULL, device = ''",
        """details = '{"a": 1}', client_address = NULL, device = ''""",
        "details = '{}', client_address = '192.0.2.1', device = ''",
        "details = '{}', client_address = NULL, device = 'Firefox'",
    ],
)
def test_even_through_the_door_an_entry_can_only_be_emptied(change):
    """LOG-03."""
    person = active_account()

    with connection.cursor() as cursor, pytest.raises(DatabaseError, match="append-only"), allow_retention():
        cursor.execute(f"UPDATE journal_journalentry SET {change} WHERE account_id = {person.pk}")


def test_without_the_door_an_entry_cannot_even_be_emptied():
    """LOG-03."""
    active_account()

    with connection.cursor() as cursor, pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        cursor.execute("UPDATE journal_journalentry SET details = '{}', client_address = NULL, device = ''")
