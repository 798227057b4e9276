"""Erasure of personal data: what goes, what is kept, and what the next HR file does (PRV-07)."""

from datetime import date, timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.enums import State
from accounts.links.account_links import not_me_link, password_reset_link
from accounts.links.signed_link import InvalidLink
from accounts.models import Account, Session
from assistance.enums import Profile, Reason
from assistance.models import AssistanceRequest
from directory.models import active_people, listed_people
from directory.services import record_directory_consent
from journal.events import Event
from journal.models import JournalEntry
from journal.triggers import allow_retention
from outbox.enums import Kind, Status
from outbox.models import Message
from privacy.erasure import EMPTY, AccountIsAgent, erase_person, kept_relations
from privacy.export import relations
from tests.accounts.recovery.recovering import close
from tests.factories import active_account, pending_account, reloaded
from tests.hr_feed.hr_files import imported, imported_account, row
from tests.privacy.known_account import CLIENT_ADDRESS, known_account
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

LOGIN = "x17@univ-exemple.fr"
YESTERDAY = timezone.localdate() - timedelta(days=1)
#: None of it is in the names that are kept.
PERSONAL = [
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
    CLIENT_ADDRESS,
]


@pytest.fixture
def person() -> Account:
    names = {"given_name": "Zéphyrine", "family_name": "Quintefeuille", "employer": "Laboratoire"}
    keys = {"hr_id": "HR-X17", "uid": "x17", "institutional_address": LOGIN, "ine": "0123456789A"}
    facts = {"recovery_address": "premiere@exemple.net", "phone": "+33611223344", "start_date": date(2020, 9, 1)}
    account = known_account(**names, **keys, **facts)
    close(account)
    return reloaded(account)


def tables_with(text: str) -> set[str]:
    """All tables of the project that have a row with this text in some column."""
    found = set()
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(
                f'SELECT EXISTS (SELECT FROM "{model._meta.db_table}" t WHERE t::text ILIKE %s)', [f"%{text}%"]
            )
            if cursor.fetchone()[0]:
                found.add(model._meta.label)
    return found


def run(login: str = LOGIN, *options: str) -> str:
    output = StringIO()
    call_command("erase_person", login, *options, stdout=output)
    return output.getvalue()


def test_nothing_personal_is_left_in_any_table(person):
    """PRV-07, PRV-01: proofs and the dates of events are kept, without address or detail."""
    AssistanceRequest.objects.create(
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
    other = active_account(family_name="Autre", employer="Bibliothèque", birth_date=date(1990, 1, 1))
    untouched = Account.objects.filter(pk=other.pk).values().get(), other.journal.count()
    before = {text: tables_with(text) for text in PERSONAL}
    assert all(before.values()), before
    events = list(person.journal.order_by("pk").values_list("pk", "event", "at"))

    assert erase_person(account=person) is True

    assert {text: tables_with(text) for text in PERSONAL} == {text: set() for text in PERSONAL}
    assert not AssistanceRequest.objects.exists()
    left = {
        relation.name
        for relation in relations()
        if relation.related_model._base_manager.filter(**{relation.field.name: person}).exists()
    }
    assert left == set(kept_relations()) == {"journal", "charter_acceptances", "directory_consents"}
    entries = person.journal.order_by("pk")
    assert list(entries.values_list("pk", "event", "at"))[:-1] == events
    assert entries.last().event == Event.USER_ERASED
    assert set(entries.values_list("client_address", "device")) == {(None, "")}
    assert all(details == {} for details in entries.values_list("details", flat=True))
    assert person.charter_acceptances.get().text_sha256
    assert (Account.objects.filter(pk=other.pk).values().get(), other.journal.count()) == untouched
    assert other.charter_acceptances.exists()


def test_every_column_of_an_account_is_emptied_or_kept_for_a_reason():
    """PRV-07: a new column fails here until reviewed."""
    identifiers = {"id", "hr_id", "uid", "institutional_address", "category"}
    facts = {"end_date", "created_at", "erased_at", "charter_accepted_at", "password", "is_staff", "is_superuser"}
    assert {field.name for field in Account._meta.concrete_fields} - set(EMPTY) == identifiers | facts


def test_the_account_is_closed_and_its_links_and_sessions_are_dead(person):
    """PRV-02: nor is it in the directory."""
    signed_in = active_account()
    record_directory_consent(account=signed_in, listed=True, wording="?")
    assert signed_in in listed_people()
    browser, entry = browser_of(signed_in), person.journal.last()
    tokens = [
        (password_reset_link, password_reset_link.token(person, timezone.now() + timedelta(minutes=30))),
        (not_me_link, not_me_link.token(person, timezone.now() + timedelta(days=1), entry.pk)),
    ]
    for account in (person, signed_in):
        erase_person(account=account)
        assert reloaded(account).state == State.CLOSED
        assert not reloaded(account).has_usable_password()
    for link, token in tokens:
        with pytest.raises(InvalidLink):
            link.open(token)
    assert not Session.objects.filter(account=signed_in).exists()
    assert browser.get(reverse("account")).status_code == 302
    assert signed_in not in active_people()
    assert signed_in.directory_consents.latest_first().first().listed is False


def test_it_is_idempotent_and_atomic(person, monkeypatch):
    """AVL-09"""
    with monkeypatch.context() as patch:
        patch.setattr("privacy.erasure.record_event", None)
        with pytest.raises(TypeError), transaction.atomic():
            erase_person(account=person)
    assert reloaded(person).given_name == "Zéphyrine"
    assert person.messages.exists()
    assert erase_person(account=person) is True
    erased_at, entries = reloaded(person).erased_at, JournalEntry.objects.count()
    assert erase_person(account=person) is False
    assert (reloaded(person).erased_at, JournalEntry.objects.count()) == (erased_at, entries)


def test_an_agent_is_not_erased(person):
    """PRV-07: the rights have to be withdrawn first."""
    for right in ("is_staff", "is_superuser"):
        Account.objects.filter(pk=person.pk).update(**{"is_staff": False, "is_superuser": False, right: True})
        with pytest.raises(AccountIsAgent):
            erase_person(account=person)
        with pytest.raises(CommandError, match="agent"):
            run()
    assert reloaded(person).given_name == "Zéphyrine"


def test_the_command_says_what_is_kept_and_refuses_unknown_logins_and_people_still_employed(person):
    output = run("X17")
    for words in ("Les données personnelles sont effacées.", f"{LOGIN}, x17, HR-X17", "charter_acceptances (1)"):
        assert words in output
    assert "Zéphyrine" not in output
    assert "étaient déjà effacées" in run()
    employed = pending_account()
    with pytest.raises(CommandError, match="RH"):
        run(employed.login)
    for login in ("nobody", "", "a b@c", "x" * 500):
        with pytest.raises(CommandError, match="identifiant"):
            run(login)
    assert reloaded(employed).erased_at is None
    run(employed.login, "--still-employed")
    assert reloaded(employed).state == State.CLOSED


def test_the_next_hr_file_restores_nothing_and_gives_the_names_to_no_one_else():
    """PRV-07, ADM-08"""
    left = row(end_date=YESTERDAY.isoformat())
    imported(left)
    camille = imported_account()
    erase_person(account=camille)
    report = imported(left, row(hr_id="HR2", recovery_address="p2@exemple.net"))
    assert (report.created, report.updated, report.corrected, report.unchanged) == (1, 0, 0, 1)
    assert reloaded(camille).given_name == ""
    namesake = imported_account("HR2")
    assert (namesake.login, namesake.uid) == ("camille.durand2@univ-exemple.fr", "cdurand2")


def test_a_person_employed_again_gets_their_names_back_and_activates_anew(mail_delivery):
    """ADM-08"""
    imported(row(end_date=YESTERDAY.isoformat()))
    erase_person(account=imported_account())
    imported(row())
    back = imported_account()
    assert (back.state, back.erased_at, back.full_name) == (State.PENDING, None, "Camille Durand")
    assert back.login == "camille.durand@univ-exemple.fr"
    assert back.recovery_address == "camille.durand@exemple.net"
    [mail] = Message.objects.filter(person=back, kind=Kind.ACTIVATION, status=Status.QUEUED)
    assert mail.address == "camille.durand@exemple.net"
    assert len(mail_delivery.deliver()) == 1


def test_an_entry_of_the_journal_can_only_be_emptied_and_only_by_retention():
    """LOG-03"""
    person = active_account()
    emptied = "details = '{}', client_address = NULL, device = ''"
    changes = (
        f"event = 'x', {emptied}",
        f"at = now() - interval '1 year', {emptied}",
        f"account_id = NULL, {emptied}",
        """details = '{"a": 1}', client_address = NULL, device = ''""",
        "details = '{}', client_address = '192.0.2.1', device = ''",
        "details = '{}', client_address = NULL, device = 'Firefox'",
    )
    with connection.cursor() as cursor:
        for change in changes:
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), allow_retention():
                cursor.execute(f"UPDATE journal_journalentry SET {change} WHERE account_id = {person.pk}")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(f"UPDATE journal_journalentry SET {emptied}")
