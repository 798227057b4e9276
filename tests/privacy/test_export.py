"""« Mes données »: what is held about an account, shown and exported to its owner alone (PRV-07)."""

import json
import re
from datetime import date, timedelta
from io import StringIO

import pytest
import time_machine
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from activation.models import LinkRequest
from journal.events import Event
from journal.services import record_event
from outbox.models import Message
from privacy import export
from tests.accounts.recovery.recovering import change_to
from tests.agents.signed_in import enrol_device
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.fuzz import N
from tests.privacy.known_account import known_account
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

SECRETS = {"password", "session_key", "session_data", "key"}
#: Tables that point at an account as its own, as the export names them.
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
#: Tables that name an account only as the author of an act, or hold nothing personal.
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
    # Typed by a stranger, perhaps: not for the owner of the account.
    ("assistance.AssistanceRequest", "account"),
    ("assistance.AssistanceRequest", "taken_by"),
    # What agents did about such a request.
    ("assistance.RequestStep", "account"),
    ("assistance.RequestStep", "actor"),
    # An agent imported a file about others.
    ("hr_feed.HrImport", "uploaded_by"),
    ("hr_feed.HrImport", "approved_by"),
    ("activation.Charter", "saved_by"),
    ("activation.Charter", "published_by"),
    # A secret.
    ("agents.EnrolmentCode", "account"),
}


@pytest.fixture
def person() -> Account:
    names = {"given_name": "Camille", "family_name": "Durand", "employer": "Labo"}
    facts = {
        "ine": "0123456789A",
        "phone": "+33611223344",
        "start_date": date(2020, 9, 1),
        "end_date": date(2060, 8, 31),
    }
    account = known_account(**names, **facts)
    enrol_device(account)
    return account


@pytest.fixture
def browser(person) -> Client:
    return browser_of(person)


def download(browser: Client, **typed: object) -> HttpResponse:
    return browser.post(reverse("account-data-copy"), typed)


def export_of(browser: Client) -> dict:
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
    """PRV-07"""

    def test_each_table_about_a_person_is_exported(self):
        """PRV-07: a new table with a link to the account, or with a login or an address, fails here until reviewed."""
        tables = [model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]
        pointing = {
            (model._meta.label, field.name)
            for model in tables
            for field in model._meta.get_fields()
            if isinstance(field, models.ForeignKey) and field.related_model is Account
        }
        exported = {(one.related_model._meta.label, one.field.name) for one in export.relations()}
        assert {one.name for one in export.relations()} == REVIEWED
        assert pointing - exported == NOT_ABOUT_THE_PERSON

        naming = {
            model._meta.label
            for model in tables
            for field in model._meta.concrete_fields
            if re.search(r"login|email|address(?<!client_address)$", field.name)
        }
        about = {label for label, _field in exported} | {"accounts.Account"}
        assert naming - about == {"activation.LinkRequest", "assistance.AssistanceRequest"}
        assert set(export.sources()) == {"link_requests"}

    def test_each_table_has_its_rows_and_columns_except_secrets(self, person, browser):
        """PWD-08, SES-05"""
        answer = download(browser).content.decode()
        copy = json.loads(answer)

        assert set(copy) == REVIEWED | {"copied_at", "account", "link_requests"}
        assert {name for name in REVIEWED | {"link_requests"} if not copy[name]} == set()
        assert set(copy["account"]) == {field.name for field in Account._meta.concrete_fields} - SECRETS
        for relation in export.relations():
            expected = {field.name for field in relation.related_model._meta.concrete_fields} - SECRETS
            assert set(copy[relation.name][0]) == expected
        assert (copy["account"]["birth_date"], copy["account"]["phone"]) == ("1984-02-29", "+33611223344")
        assert copy["mailbox"][0]["address"] == person.mailbox.address
        assert [one["login"] for one in copy["link_requests"]] == [person.login]
        assert (len(copy["journal"]), len(copy["messages"])) == (person.journal.count(), person.messages.count())

        assert not keys_in(copy) & (SECRETS | {"token", "link", "url"})
        secrets = ["argon2", A_GOOD_PASSWORD, TOTPDevice.objects.get(user=person).key]
        for session in Session.objects.all():
            secrets += [session.session_key, session.session_data]
        assert not [secret for secret in secrets if secret in answer]

    def test_the_command_exports_the_same_for_an_account_that_cannot_log_in(self, person, browser):
        """PRV-07"""
        page, output = export_of(browser), StringIO()
        Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))
        call_command("export_person", person.login.upper(), stdout=output)
        copy = json.loads(output.getvalue())
        assert (set(copy), copy["messages"]) == (set(page), page["messages"])
        assert copy["account"] == page["account"] | {"end_date": copy["account"]["end_date"]}
        entry = person.journal.latest("pk")
        assert (entry.event, entry.actor, entry.source) == (Event.DATA_EXPORTED, None, "command")
        with pytest.raises(CommandError, match="identifiant"):
            call_command("export_person", "personne.inconnue")

    def test_a_row_of_another_account_or_of_none_is_not_exported(self, person, browser):
        """ADM-01"""
        stranger = active_account(given_name="Dominique", recovery_address="autre@exemple.net")
        change_to(stranger, "secret@exemple.org")
        lock_account(account=stranger, reason=LockReason.PHISHING, actor=person)
        LinkRequest.objects.create(login=stranger.login)
        Message.objects.create(kind="activation", person=None, address="personne@exemple.net")
        answer = download(browser, account=stranger.pk, pk=stranger.pk, login=stranger.login).content.decode()
        for secret in ("autre@exemple.net", "secret@exemple.org", "personne@exemple.net", stranger.login, "Dominique"):
            assert secret not in answer
        assert {one["account"] for one in json.loads(answer)["journal"]} == {person.pk}


class TestFile:
    def test_it_is_a_json_attachment_and_the_journal_records_it(self, person, browser):
        """HDR-04, PRV-07: `sensitive_read`."""
        answer, day = download(browser), timezone.localdate().isoformat()
        assert answer["Content-Type"] == "application/json"
        assert answer["Content-Disposition"] == f'attachment; filename="compte-informatique-{person.uid}-{day}.json"'
        entry = person.journal.latest("pk")
        assert (entry.event, entry.actor, entry.source) == (Event.DATA_EXPORTED, person, "web")
        assert json.loads(answer.content)["journal"][-1]["event"] == "sensitive_read"

    def test_hostile_stored_values_break_neither_its_name_nor_its_content(self, person, browser):
        """INP-01, INP-02"""
        for name in ("N06", "N10", "N18", "N28", "N33", "N37", "N38"):
            Account.objects.filter(pk=person.pk).update(employer=N[name][:100])
            record_event(account=person, event=Event.SIGNED_IN, anything=N[name])
            assert export_of(browser)["account"]["employer"] == N[name][:100]
        for uid in ('a"; filename="x.exe', "a\r\nX-Injecte: 1", "élodie", "a/../b", "=1+1"):
            Account.objects.filter(pk=person.pk).update(uid=uid)
            answer = download(browser)
            assert answer.status_code in (200, 400)
            assert "X-Injecte" not in answer
            if answer.status_code == 200:
                assert answer["Content-Disposition"].startswith("attachment; filename")
                assert '"; filename="x.exe' not in answer["Content-Disposition"].replace('\\"', "'")

    def test_it_needs_a_post_and_after_five_minutes_the_password(self, person, browser):
        """SES-08, PRV-04: reading the page shows the facts of HR and records nothing."""
        shown, url = browser.get(reverse("account-data")).content.decode(), reverse("account-data-copy")
        for fact in ("Camille Durand", "0123456789A", "+33611223344", "Labo", person.login, person.uid, "1984"):
            assert fact in shown
        with time_machine.travel(timezone.now() + timedelta(minutes=6)):
            assert "1984" not in browser.get(reverse("account-data")).content.decode()
            refused = [
                browser.get(url),
                Client().post(url),
                download(browser),
                download(browser, current_password="non"),
            ]
            assert not any("Content-Disposition" in answer for answer in refused)
            assert not person.journal.filter(event=Event.DATA_EXPORTED).exists()
            exported = download(browser, current_password=A_GOOD_PASSWORD)
        assert exported["Content-Disposition"].startswith("attachment")
        assert person.journal.filter(event=Event.DATA_EXPORTED).count() == 1

        poor = active_account(category=Category.STUDENT, hr_id=None, birth_date=None, recovery_address="")
        copy = export_of(browser_of(poor))
        assert copy["mailbox"] == copy["redirection"] == copy["locks"] == []
        html = browser_of(poor).get(reverse("account-data")).content.decode()
        assert not [label for label in ("Date de naissance", "Numéro INE", "Arrivée", "Départ") if label in html]
