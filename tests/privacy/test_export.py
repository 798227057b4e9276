"""« Mes données »: what is held, shown and given as a file, to the person alone (PRV-07)."""

import json
import re
from datetime import date, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import models
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, RecoveryAddressCorrection, Session
from activation.models import LinkRequest, Reminders
from directory.services import record_directory_consent
from journal.events import Event
from journal.services import record_event
from mailrouting.services import change_redirection
from outbox.models import Message
from privacy import export as personal_data
from tests.accounts.recovery.recovering import browser_of, change_to, fresh, wish
from tests.agents.signed_in import with_application
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.fuzz import N
from tests.locking import PROVEN

pytestmark = pytest.mark.django_db

SECRETS = {"password", "session_key", "session_data", "key"}
#: Reviewed: every table that points at an account as its own, under the name that the copy gives it.
REVIEWED = {
    "charter_acceptances",
    "directory_consents",
    "journal",
    "locks",
    "mailbox",
    "messages",
    "recovery_address_changes",
    "recovery_address_corrections",
    "redirection",
    "reminders",
    "searchable_name",
    "sessions",
    "totpdevice",
}
#: Reviewed: tables that name an account only as the author of an act on somebody else's, or hold nothing personal.
NOT_ABOUT_THE_PERSON = {
    ("journal.JournalEntry", "actor"),
    ("accounts.Lock", "locked_by"),
    ("accounts.Lock", "released_by"),
    ("accounts.RecoveryAddressCorrection", "proposed_by"),
    ("accounts.RecoveryAddressCorrection", "approved_by"),
    ("accounts.RecoveryAddressCorrection", "given_up_by"),
    ("accounts.Account_groups", "account"),
    ("accounts.Account_user_permissions", "account"),
    # What an agent did to others, by name.
    ("admin.LogEntry", "user"),
    # What somebody has typed who may be a stranger: not for the owner of the account that they named.
    ("assistance.AssistanceRequest", "account"),
    ("assistance.AssistanceRequest", "taken_by"),
    # What agents did about such a request.
    ("assistance.RequestStep", "account"),
    ("assistance.RequestStep", "actor"),
    # An agent imported a file about others.
    ("hr_feed.HrImport", "uploaded_by"),
    ("hr_feed.HrImport", "approved_by"),
    # Agents wrote a text for everybody.
    ("activation.Charter", "saved_by"),
    ("activation.Charter", "published_by"),
    # Opens something.
    ("agents.EnrolmentCode", "account"),
}


@pytest.fixture
def person() -> Account:
    """Somebody of whom everything is known."""
    someone = active_account(
        given_name="Camille",
        family_name="Durand",
        ine="0123456789A",
        phone="+33611223344",
        employer="Labo",
        start_date=date(2020, 9, 1),
        end_date=date(2060, 8, 31),
    )
    change_redirection(account=someone, target="ailleurs@exemple.org", keep_copy=True)
    record_directory_consent(account=someone, listed=True, wording="?")
    change_to(someone, "seconde@exemple.org")
    lock_account(account=someone, reason=LockReason.OTHER)
    someone.locks.update(released_at=timezone.now(), **PROVEN)
    wish(someone, "troisieme@exemple.org")
    RecoveryAddressCorrection.objects.create(account=someone, new_address="donnee@exemple.org", note="Vue au guichet.")
    Client().post(reverse("forgotten-password"), {"login": someone.login})
    Reminders.objects.create(account=someone, sent=1)
    with_application(someone)
    return fresh(someone)


@pytest.fixture
def browser(person) -> Client:
    return browser_of(person)


def download(browser: Client) -> HttpResponse:
    return browser.post(reverse("account-data-copy"))


def copy_of(browser: Client) -> dict:
    answer = download(browser)
    assert answer.status_code == 200
    copy: dict = json.loads(answer.content)
    return copy


def keys_in(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for one in value.values() for key in keys_in(one)}
    if isinstance(value, list):
        return {key for one in value for key in keys_in(one)}
    return set()


class TestEverythingIsThere:
    def test_no_table_about_a_person_is_forgotten(self):
        """PRV-07: a new table with a link to the account fails here until somebody has thought of it."""
        pointing = {
            (model._meta.label, field.name)
            for model in _models()
            for field in model._meta.get_fields()
            if isinstance(field, models.ForeignKey) and field.related_model is Account
        }
        told = {(one.related_model._meta.label, one.field.name) for one in personal_data.relations()}

        assert {one.name for one in personal_data.relations()} == REVIEWED
        assert pointing - told == NOT_ABOUT_THE_PERSON

    def test_no_table_that_names_a_person_otherwise_is_forgotten(self):
        """PRV-07: columns that hold a login or an address, and no link to the account."""
        naming = {
            model._meta.label
            for model in _models()
            for field in model._meta.concrete_fields
            if re.search(r"login|email|address(?<!client_address)$", field.name)
        }
        about = {one.related_model._meta.label for one in personal_data.relations()} | {"accounts.Account"}

        assert naming - about == {"activation.LinkRequest", "assistance.AssistanceRequest"}
        assert set(personal_data._elsewhere) == {"link_requests"}

    def test_each_table_has_the_persons_rows(self, person, browser):
        copy = copy_of(browser)

        assert {name for name in REVIEWED | {"link_requests"} if not copy[name]} == set()
        assert set(copy) == REVIEWED | {"copied_at", "account", "link_requests"}
        assert copy["account"]["birth_date"] == "1984-02-29"
        assert copy["account"]["phone"] == "+33611223344"
        assert copy["mailbox"][0]["address"] == person.mailbox.address
        assert [one["new_address"] for one in copy["recovery_address_changes"]] == [
            "seconde@exemple.org",
            "troisieme@exemple.org",
        ]
        assert len(copy["journal"]) == person.journal.count()
        assert len(copy["messages"]) == person.messages.count()
        assert [one["login"] for one in copy["link_requests"]] == [person.login]

    def test_the_command_line_gives_the_same_to_whoever_cannot_sign_in(self, person, browser):
        """PRV-07: locked, left, or never activated; nobody took it, and it is in the journal."""
        page, said = copy_of(browser), StringIO()
        Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))

        call_command("export_person", person.login.upper(), stdout=said)

        copy = json.loads(said.getvalue())
        assert set(copy) == set(page)
        assert copy["messages"] == page["messages"]
        assert copy["account"] == page["account"] | {"end_date": copy["account"]["end_date"]}
        written = person.journal.latest("pk")
        assert (written.event, written.actor, written.source) == (Event.DATA_EXPORTED, None, "command")
        with pytest.raises(CommandError, match="identifiant"):
            call_command("export_person", "personne.inconnue")

    def test_every_column_is_there_but_the_secrets(self, person, browser):
        copy = copy_of(browser)

        assert set(copy["account"]) == {field.name for field in Account._meta.concrete_fields} - SECRETS
        for relation in personal_data.relations():
            wanted = {field.name for field in relation.related_model._meta.concrete_fields} - SECRETS
            assert set(copy[relation.name][0]) == wanted


def _models() -> list[type[models.Model]]:
    from django.apps import apps

    return [model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]


class TestNothingElseIs:
    def test_no_secret(self, person, browser):
        """PWD-08, SES-05: nothing that opens anything."""
        answer = download(browser).content.decode()
        keys = keys_in(json.loads(answer))

        assert not keys & (SECRETS | {"token", "link", "url"})
        assert "argon2" not in answer
        assert A_GOOD_PASSWORD not in answer
        assert TOTPDevice.objects.get(user=person).key not in answer
        for session in Session.objects.all():
            assert session.session_key not in answer
            assert session.session_data not in answer

    def test_no_row_of_anybody_else(self, person, browser):
        """ADM-01: IDOR."""
        stranger = active_account(given_name="Dominique", recovery_address="autre@exemple.net")
        change_to(stranger, "secret@exemple.org")
        lock_account(account=stranger, reason=LockReason.PHISHING, actor=person)
        LinkRequest.objects.create(login=stranger.login)

        answer = browser.post(
            reverse("account-data-copy"), {"account": stranger.pk, "pk": stranger.pk, "login": stranger.login}
        ).content.decode()

        for told in ("autre@exemple.net", "secret@exemple.org", stranger.login, "Dominique"):
            assert told not in answer
        assert {one["account"] for one in json.loads(answer)["journal"]} == {person.pk}


class TestTheFile:
    def test_it_is_json_to_keep_and_never_to_run(self, person, browser):
        """HDR-04"""
        answer = download(browser)

        assert answer["Content-Type"] == "application/json"
        day = timezone.localdate().isoformat()
        assert answer["Content-Disposition"] == f'attachment; filename="compte-informatique-{person.uid}-{day}.json"'
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in answer["Cache-Control"]
        assert json.loads(answer.content)["account"]["given_name"] == "Camille"

    @pytest.mark.parametrize("uid", ['a"; filename="x.exe', "a\r\nX-Injecte: 1", "élodie", "a/../b", "=1+1"])
    def test_its_name_cannot_be_abused(self, person, uid):
        """INP-02"""
        browser = browser_of(person)
        Account.objects.filter(pk=person.pk).update(uid=uid)

        answer = download(browser)

        assert answer.status_code in (200, 400)
        assert "X-Injecte" not in answer
        if answer.status_code == 200:
            assert answer["Content-Disposition"].startswith("attachment; filename")
            assert '"; filename="x.exe' not in answer["Content-Disposition"].replace('\\"', "'")

    @pytest.mark.parametrize("value", [N[name] for name in ("N06", "N10", "N18", "N28", "N33", "N37", "N38")])
    def test_whatever_is_stored_it_is_valid(self, person, browser, value):
        """INP-01"""
        Account.objects.filter(pk=person.pk).update(employer=value[:100])
        record_event(account=person, event=Event.SIGNED_IN, anything=value)

        assert copy_of(browser)["account"]["employer"] == value[:100]

    def test_that_it_was_taken_is_in_the_journal_and_in_the_file(self, person, browser):
        """PRV-07: `sensitive_read`."""
        copy = copy_of(browser)

        written = person.journal.latest("pk")
        assert (written.event, written.actor, written.source) == (Event.DATA_EXPORTED, person, "web")
        assert copy["journal"][-1]["event"] == "sensitive_read"

    def test_it_takes_our_own_form_and_a_post(self, person, browser):
        """SES-07"""
        assert "Content-Disposition" not in browser.get(reverse("account-data-copy"))
        assert "Content-Disposition" not in browser.head(reverse("account-data-copy"))
        guarded = Client(enforce_csrf_checks=True)
        guarded.force_login(person)
        assert guarded.post(reverse("account-data-copy")).status_code == 403
        assert Client().post(reverse("account-data-copy")).status_code == 302
        assert not person.journal.filter(event=Event.DATA_EXPORTED).exists()

    def test_a_stolen_cookie_alone_takes_nothing(self, person, browser):
        """SES-08: after five minutes the password is asked for; then it is one click again."""
        address = reverse("account-data-copy")
        with time_machine.travel(timezone.now() + timedelta(minutes=6)):
            page = browser.get(reverse("account-data")).content.decode()
            refused = browser.post(address)
            wrong = browser.post(address, {"current_password": "devinée"})
            taken = browser.post(address, {"current_password": A_GOOD_PASSWORD})

        assert str(person.birth_date.year) not in page
        assert "Content-Disposition" not in refused
        assert "Content-Disposition" not in wrong
        assert taken["Content-Disposition"].startswith("attachment")
        assert person.journal.filter(event=Event.DATA_EXPORTED).count() == 1

    def test_somebody_with_next_to_nothing_gets_a_file_too(self):
        agent = active_account(category=Category.STUDENT, hr_id=None, birth_date=None, recovery_address="")
        copy = copy_of(browser_of(agent))

        assert copy["mailbox"] == copy["redirection"] == copy["locks"] == []


class TestThePage:
    def test_it_shows_what_hr_has_given(self, person, browser):
        """PRV-04, PRV-07: and where a mistake is corrected."""
        html = browser.get(reverse("account-data")).content.decode()

        for told in ("Camille Durand", "0123456789A", "+33611223344", "Labo", person.login, person.uid):
            assert told in html
        assert "29\N{NO-BREAK SPACE}février 1984" in html
        assert "31\N{NO-BREAK SPACE}août 2060" in html
        assert "c’est là qu’elles se corrigent" in html

    def test_what_is_not_known_is_not_named(self):
        someone = active_account(birth_date=None, category=Category.STUDENT)
        html = browser_of(someone).get(reverse("account-data")).content.decode()

        for label in ("Date de naissance", "Numéro INE", "Téléphone connu des RH", "Arrivée", "Départ"):
            assert label not in html

    def test_reading_it_is_no_event(self, person, browser):
        before = person.journal.count()
        browser.get(reverse("account-data"))

        assert person.journal.count() == before


def test_a_mail_kept_for_somebody_who_has_left_the_table_is_in_nobodys_copy(person, browser):
    Message.objects.create(kind="activation", person=None, address="personne@exemple.net")

    assert "personne@exemple.net" not in download(browser).content.decode()
