"""What a request for assistance keeps, to whom its acknowledgement goes, and for how long facts are kept."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Account
from assistance import services
from assistance.enums import Profile, Reason, RequestState
from assistance.models import AssistanceRequest
from assistance.references import ALPHABET, random_reference
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from privacy.export import export_person
from tests.assistance.asking import CONTACT, form_data, request_data, student_form_data
from tests.concurrency import together
from tests.factories import active_account, pending_account
from tests.locking import locked_account
from tests.mail_delivery import html_of, text_of

pytestmark = pytest.mark.django_db

PAGE = "assistance"
INE, BORN = "0123456789A", date(1984, 2, 29)
A_MOMENT = datetime(2026, 10, 6, 9, tzinfo=UTC)


def the_request() -> AssistanceRequest:
    return AssistanceRequest.objects.get()


def test_a_request_holds_what_was_typed_when_and_from_where_and_changes_no_account(time_machine):
    """HLP-02, HLP-04, LOG-01, PRV-07: the journal records nothing that was typed; the author is unproven."""
    account, now = locked_account(), timezone.now()
    time_machine.move_to(now, tick=False)
    before, mails = Account.objects.filter(pk=account.pk).values().get(), account.messages.count()
    typed = form_data(login=account.login.upper(), phone=" 06.12.34.56.78 ", description="Un\r\ndeux\r\n")
    Client(REMOTE_ADDR="198.51.100.77").post(reverse(PAGE), typed)

    request = the_request()
    assert (request.reason, request.profile, request.state) == (Reason.LOCKED, Profile.STAFF, RequestState.NEW)
    assert (request.typed_address, request.account, request.contact_address) == (account.login, account, CONTACT)
    assert (request.phone_typed, request.phone) == ("06.12.34.56.78", "+33612345678")
    assert (request.birth_date_typed, request.ine_typed) == (BORN, "")
    assert (request.availability, request.description) == ("demain matin", "Un\ndeux")
    assert (request.language, request.asked_at, request.client_address) == ("fr", now, "198.51.100.77")
    assert (request.taken_by, request.taken_at, request.closed_at) == (None, None, None)
    assert Account.objects.filter(pk=account.pk).values().get() == before
    assert account.locks.open().exists()
    assert account.messages.count() == mails
    entry = account.journal.get(event=Event.ASSISTANCE_REQUESTED)
    assert (entry.actor, entry.client_address, entry.details) == (None, "198.51.100.77", {"request": request.pk})
    copy = str(export_person(account=account, actor=account))
    assert "assistance_requested" in copy
    assert not [secret for secret in (CONTACT, "612345678") if secret in copy]

    services.create_request(**request_data(login="personne.inconnue@univ-exemple.fr"))
    assert JournalEntry.objects.filter(event=Event.ASSISTANCE_REQUESTED).latest("pk").account is None
    assert AssistanceRequest.objects.latest("pk").account is None


def test_the_database_refuses_inconsistent_requests():
    """PRV-04, and states without their times."""
    common = {"phone": "+33612345678", "profile": Profile.STAFF}
    AssistanceRequest.objects.create(**common, reference="A-22222")
    for facts in (
        {"profile": Profile.STUDENT, "birth_date_typed": BORN},
        {"profile": Profile.STAFF, "ine_typed": INE},
        {"profile": "teacher"},
        {"state": RequestState.NEW, "taken_at": A_MOMENT},
        {"state": RequestState.TAKEN},
        {"state": RequestState.CALL_TRIED},
        {"state": RequestState.SOLVED},
        {"state": RequestState.TAKEN, "taken_at": A_MOMENT, "closed_at": A_MOMENT},
        {"state": "lost"},
        {"reference": "A-22222"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            AssistanceRequest.objects.create(**{**common, "reference": "A-33333", **facts})
    with pytest.raises(IntegrityError), transaction.atomic():
        services.create_request(**request_data(profile=Profile.STAFF, ine=INE, birth_date=BORN))
    assert AssistanceRequest.objects.count() == 1
    assert not Message.objects.exists()
    assert not JournalEntry.objects.exists()


def test_a_reference_is_drawn_at_random(monkeypatch):
    """HLP-08: readable, each character drawn anew, and never given twice."""
    drawn = [random_reference() for _ in range(1_000)]
    assert len(set(drawn)) > 990
    assert {(len(reference), reference[:2]) for reference in drawn} == {(7, "A-")}
    assert not set(ALPHABET) & set("01IO")
    for place in range(2, 7):
        counted = Counter(reference[place] for reference in drawn)
        assert set(counted) == set(ALPHABET)
        assert max(counted.values()) < 100
    coming = iter(["A-22222", "A-22222", "A-22222", "A-33333"])
    monkeypatch.setattr("assistance.services.random_reference", lambda: next(coming))
    for _ in range(2):
        services.create_request(**request_data())
    assert set(AssistanceRequest.objects.values_list("reference", flat=True)) == {"A-22222", "A-33333"}


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_acknowledgement_holds_the_reference_and_nothing_that_a_visitor_typed(mail_delivery, language, settings):
    """HLP-08, HLP-04: no text, number, date or address, no URL but the portal's; and it belongs to no account."""
    account = active_account()
    typed = student_form_data(
        login=account.login,
        availability="lundi www.evil.example",
        description="Voir http://evil.example/ <b>gras</b>",
        phone="06 98 76 54 32",
    )
    with translation.override(language):
        Client().post(reverse(PAGE), typed)

    assert Message.objects.get(kind=Kind.ASSISTANCE_RECEIVED).person is None
    [mail] = mail_delivery.deliver()
    assert mail["To"] == CONTACT
    assert the_request().reference in mail["Subject"]
    assert mail["Content-Language"] == the_request().language == language
    for part in (mail["Subject"], text_of(mail), html_of(mail)):
        for text in ("evil", "gras", "98 76 54", "698765432", INE, "lundi www", account.login, account.family_name):
            assert text not in part
    assert text_of(mail).count("http") == text_of(mail).count(settings.PORTAL_URL)


def test_one_mailbox_gets_two_acknowledgements_a_day_however_it_is_spelt(mail_delivery, time_machine):
    """HLP-08, ENU-05: further requests are kept without a mail, for known and unknown accounts alike."""
    logins, start = (pending_account().login, "x.y@univ-exemple.fr"), timezone.now()
    time_machine.move_to(start, tick=False)
    for number, spelling in enumerate(("camille@exemple.net", "Camille@exemple.net", "CAMILLE@EXEMPLE.NET") * 2):
        services.create_request(**request_data(contact_address=spelling, login=logins[number % 2]))
    assert (len(mail_delivery.deliver()), AssistanceRequest.objects.open().count()) == (2, 6)
    services.create_request(**request_data(contact_address="une.autre@exemple.net"))
    assert len(mail_delivery.deliver()) == 3
    time_machine.move_to(start + timedelta(days=1, seconds=1), tick=False)
    services.create_request(**request_data())
    assert len(mail_delivery.deliver()) == 4
    closed = services.create_request(**request_data())
    AssistanceRequest.objects.filter(pk=closed.pk).update(state=RequestState.REFUSED, closed_at=timezone.now())
    assert len(mail_delivery.deliver()) == 4


@pytest.mark.django_db(transaction=True)
def test_simultaneous_requests_send_two_acknowledgements_to_one_mailbox():
    """HLP-08, ENU-05: no gap between counting and sending, whatever the spelling."""
    spellings = ("une@exemple.net", "Une@exemple.net", "UNE@exemple.net", "une@exemple.net", "uNe@exemple.net")
    together(
        *(lambda there=there: services.create_request(**request_data(contact_address=there)) for there in spellings)
    )
    assert AssistanceRequest.objects.count() == len(spellings)
    assert Message.objects.filter(kind=Kind.ASSISTANCE_RECEIVED).count() == 2
