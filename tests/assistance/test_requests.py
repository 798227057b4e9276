"""Requests for assistance: their form, fields (INP-02, INP-04), answer and rows, and the acknowledgement."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from html import unescape
from itertools import product
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import escape

from accounts.enums import Category
from accounts.models import Account
from assistance.enums import Profile, Reason, RequestState
from assistance.form_fields import BirthDateField, DescriptionField, IneField, PhoneField
from assistance.forms import AssistanceForm
from assistance.models import AssistanceRequest
from assistance.references import ALPHABET, random_reference
from core.rate_limits import PublicLimit, RateLimit
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from privacy.export import export_person
from tests.assistance.asking import ALL_WRONG, CONTACT, INE, assistance_request, form_data, student_form_data
from tests.concurrency import together
from tests.factories import active_account, pending_account
from tests.fuzz import INE as INES
from tests.fuzz import PHONE
from tests.locking import locked_account
from tests.mail_delivery import html_of, text_of
from tests.normalised import Answer, normalised_answer

pytestmark = pytest.mark.django_db

PAGE, ANSWER, SENT = "assistance", "assistance-sent", "assistance_sent"
BORN, NUMBER = date(1984, 2, 29), "06 12 34 56 78"
A_MOMENT = datetime(2026, 10, 6, 9, tzinfo=UTC)
LINES = "\r\n".join(["x" * 19] * 100)
CHECK_YEAR, FOUR_DIGITS = "Vérifiez l’année de naissance", "L’année de naissance compte 4 chiffres, par exemple 1985"
IMPOSSIBLE = "La date de naissance n’existe pas : vérifiez le jour et le mois"


def html_after(answers: dict[str, str]) -> str:
    return Client().post(reverse(PAGE), answers).content.decode()


def cleaned(field: forms.Field, typed: Any) -> Any:
    try:
        return field.clean(typed)
    except ValidationError as refused:
        return refused.messages[0].replace("\u00a0", " ")


class TestForm:
    def test_what_was_typed_is_still_there_after_an_error_and_escaped(self):
        """HLP-08, INP-05: every field, the radio buttons and a description of several lines included."""
        text = "Première ligne.\n\n  <b>Deuxième</b> http://evil.example <script>alert(1)</script> {{7*42}} %(user)s"
        typed = form_data(phone="06 12", ine="pas le bon", description=text)
        html = html_after(typed)
        assert [value for value in typed.values() if escape(value) not in html] == []
        assert (html.count(" checked"), "<script>alert" in html) == (2, False)
        assert not AssistanceRequest.objects.exists()
        assert AssistanceForm(form_data(description=text)).is_valid()

    def test_every_field_says_what_to_correct_in_the_summary_and_beside_it(self):
        """No fact is asked for before the profile is known."""
        for typed, fields in (
            (ALL_WRONG, "reason birth_date login contact_address phone description"),
            ({}, "reason profile login contact_address phone description"),
            (form_data(profile="student"), "ine"),
            (student_form_data(profile="staff"), "birth_date"),
            (student_form_data(ine="12"), "ine"),
        ):
            page, errors = unescape(html_after(typed)), AssistanceForm(typed).errors
            assert set(errors) == set(fields.split())
            for [refusal] in errors.values():
                assert page.count(refusal) == 2, refusal
            assert ("Il y a 6 erreurs" if len(errors) > 1 else "Il y a une erreur") in page.replace("\u00a0", " ")

    def test_only_the_fact_of_the_profile_is_kept_and_checked(self):
        """PRV-04: the other value is dropped, although it was sent, and does not have to be valid."""
        for typed, fact, other in (
            (form_data(profile=Profile.STUDENT, ine=INE), "ine", "birth_date"),
            (student_form_data(birth_date_day="99", birth_date_month="x"), "ine", "birth_date"),
            (form_data(ine=INE), "birth_date", "ine"),
            (form_data(ine="n’importe quoi"), "birth_date", "ine"),
        ):
            form = AssistanceForm(typed)
            assert form.is_valid(), form.errors
            assert form.cleaned_data[fact]
            assert not form.cleaned_data[other]

    def test_the_follow_up_goes_to_no_address_of_the_university_nor_to_the_locked_mailbox(self):
        for typed in (
            form_data(contact_address="autre@UNIV-EXEMPLE.FR"),
            form_data(contact_address="autre@labo.univ-exemple.fr"),
            form_data(login="camille@exemple.net", contact_address="camille@EXEMPLE.net"),
        ):
            assert "doit être différente" in AssistanceForm(typed).errors["contact_address"][0]
        # The domain of the university may be left out of the login, and the browser cuts no description silently.
        form = AssistanceForm(form_data(login=" Camille.Durand "))
        assert form.is_valid()
        assert form.cleaned_data["login"] == "camille.durand@univ-exemple.fr"
        assert "maxlength" not in html_after({}).split("<textarea")[1].split(">")[0]


class TestFields:
    @pytest.fixture(autouse=True)
    def on_that_day(self, time_machine) -> None:
        time_machine.move_to("2026-10-06T10:00:00+02:00", tick=False)

    def test_an_ine_is_eleven_characters_in_capitals(self):
        """Upper-cased, spaces removed; everything else is refused ('ß'.upper() would be two characters)."""
        spellings = ("0123456789a", " 0123456789A ", "0123456789A\n", "0123 456 789 A", "0123\u00a0456\u202f789A", INE)
        refused = {*INES, "0123456789\u0131", "0123456789ß", "0123456789A\x85", "0123456789A\x1f", "A123456789A"}
        expected = dict.fromkeys(refused, "Le numéro INE compte 11 caractères et se termine par une lettre")
        expected |= dict.fromkeys(spellings, INE) | {typed: typed for typed in ("123456789AB", "0123456789O")}
        assert {typed: cleaned(IneField(), typed) for typed in expected} == expected

    def test_a_number_that_can_be_called_is_kept_as_typed(self):
        """HLP-04"""
        accepted = ("06 12 34 56 78", "+33 6 12 34 56 78", "0033612345678", "+33 (0)6.12.34.56.78", "+1 212 555 0100")
        short = {"112", "06 12 34 56", "+33 6 12 34 56", "0033 6 12", "+34 61", "06", "(0)6 12"}
        endless = {"0612345678" + "." * 31, "0 6" + "-" * 60 + "12345678"}
        assert [typed for typed in accepted if cleaned(PhoneField(), typed) != typed] == []
        for typed in short:
            assert cleaned(PhoneField(), typed) == "Le numéro est trop court : il manque des chiffres", typed
        for typed in {*PHONE, "06 12 34 56 78\u202e", *endless} - {*accepted, "06-12-34-56-78"} - short:
            with pytest.raises(ValidationError):
                PhoneField().clean(typed)

    def test_a_birth_date_belongs_to_a_person_of_14_to_100_years_and_a_refusal_says_what_to_correct(self):
        for typed, expected in (
            ("29/02/1984", date(1984, 2, 29)),
            ("6/10/2012", date(2012, 10, 6)),
            ("7/10/1925", date(1925, 10, 7)),
            *((typed, CHECK_YEAR) for typed in ("7/10/2012", "6/10/1925", "1/1/0001", "31/12/9999")),
            *((typed, IMPOSSIBLE) for typed in ("31/4/1980", "29/2/1985", "1er/janvier/1980", "0/0/1980")),
            *((typed, FOUR_DIGITS) for typed in ("1/1/68", "1/1/\uff11\uff19\uff18\uff10")),
            ("1/1/", "La date de naissance doit comporter une année"),
            ("1//1980", "La date de naissance doit comporter un mois"),
            ("/1/1980", "La date de naissance doit comporter un jour"),
            (" /\t/\u00a0", "Saisissez votre date de naissance"),
        ):
            assert cleaned(BirthDateField(), typed.split("/")) == expected, typed
        for pasted in ("27/3/1985", "27.03.1985", "27-03-1985", "27 3 1985", " 27/03/1985 "):
            assert cleaned(BirthDateField(), [pasted, None, ""]) == date(1985, 3, 27), pasted
        assert cleaned(BirthDateField(), ["27/3/1985", "3", "1985"]) == IMPOSSIBLE

    def test_a_description_counts_a_line_break_once_and_keeps_no_control_character(self):
        """INP-02, INP-07: 2,000 characters on a hundred lines; browsers send two characters for a line break."""
        assert AssistanceForm(form_data(description=f"y{LINES}")).is_valid()
        assert not AssistanceForm(form_data(description=f"yy{LINES}")).is_valid()
        for field in (IneField, PhoneField, DescriptionField):
            with pytest.raises(ValidationError):
                field(max_length=2_000).clean("A" * 100_000)
        assert DescriptionField().clean("a\x00\x1b[31m\u202eb\tc\r\nd\u200b\x85") == "a[31mb\tc\nd"


ACCOUNTS: dict[str, Callable[[], Account]] = {
    "pending": partial(pending_account, ine=INE),
    "active": partial(active_account, ine=INE),
    "locked": partial(locked_account, ine=INE),
    "closed": partial(pending_account, ine=INE, end_date=timezone.localdate() - timedelta(days=1)),
    "student": partial(active_account, ine=INE, category=Category.STUDENT),
    "agent": partial(active_account, is_staff=True),
    "without recovery address": partial(pending_account, recovery_address=""),
    "open request": lambda: assistance_request(login=pending_account().login, contact_address="a@exemple.org").account,
    "unknown": partial(Account, institutional_address="personne.inconnue@univ-exemple.fr"),
    "elsewhere": partial(Account, institutional_address="quelqu.un@autre-univ.fr"),
}
#: What the visitor knows: the right or a wrong birth date, the right or a wrong INE.
STAFF_FACTS, STUDENT_FACTS = (form_data(), form_data(birth_date_year="1988")), ({}, {"ine": "1111111111Z"})
KNOWLEDGE = (*STAFF_FACTS, *(student_form_data(**fact) for fact in STUDENT_FACTS))


def words_of(html: str) -> str:
    return unescape(html).replace("\u00a0", " ")


def answers_to(browser: Client, typed: dict[str, str]) -> tuple[Answer, Answer]:
    own = (typed["login"], typed["contact_address"])
    redirected = browser.post(reverse(PAGE), typed)
    shown = browser.get(reverse(ANSWER))
    return normalised_answer(redirected, *own), normalised_answer(shown, *own, browser.session[SENT]["reference"])


class TestAnswer:
    def test_it_does_not_reveal_which_accounts_exist(self, time_machine):
        """ENU-01, ENU-03, HLP-04: status, headers, cookies, body and statements are the same, for wrong facts too."""
        accounts = {name: make() for name, make in ACCOUNTS.items()}
        time_machine.move_to(timezone.now(), tick=False)
        seen, work = set(), set()
        for number, (name, account) in enumerate(accounts.items()):
            for kind, known in enumerate(KNOWLEDGE):
                mailbox = f"a{number}.{kind}@exemple.org"
                with CaptureQueriesContext(connection) as captured:
                    typed = known | {"login": account.login, "contact_address": mailbox}
                    seen.add(answers_to(Client(REMOTE_ADDR=f"198.51.100.{number}"), typed))
                statements = [query["sql"].split(" VALUES")[0].replace(mailbox, "")[:70] for query in captured]
                work.add(tuple(sql for sql in statements if "SAVEPOINT" not in sql))
                assert (len(seen), len(work)) == (1, 1), name
        redirected, page = seen.pop()
        assert (redirected.status, page.status, "***" in page.body) == (302, 200, False)

    def test_it_says_where_the_mail_went(self, client, mail_delivery, mail_server, time_machine, settings):
        """PRV-04, HLP-08, ENU-04: to its author alone; a mail server that refuses is not seen."""
        settings.SUPPORT_PHONE = "04 67 00 00 00"
        time_machine.move_to("2026-10-09T15:59:59+02:00", tick=False)
        client.post(reverse(PAGE), form_data())
        reference, promise = AssistanceRequest.objects.get().reference, "lundi 12 octobre 2026 à 11 h"
        page, again = (words_of(client.get(reverse(ANSWER)).content.decode()) for _ in range(2))
        expected = (reference, CONTACT, f"{promise} (heure de Paris)", "04 67 00 00 00")
        assert [words for words in expected if words not in page or words not in again] == []
        assert set(client.session[SENT]) == {"reference", "contact_address", "call_expected_by"}
        assert promise in words_of(text_of(mail_delivery.last_mail()))
        mail_server.answer = lambda *_: "550 no"
        client.post(reverse(PAGE), form_data())
        mail_delivery.deliver()
        refused = AssistanceRequest.objects.latest("pk").reference
        assert refused in client.get(reverse(ANSWER)).content.decode()
        form = client.get(reverse(PAGE)).content.decode()
        assert ("04 67 00 00 00" in form.split("</main>")[0], refused in form) == (True, False)
        for path in (f"{reverse(PAGE)}{reference}/", f"{reverse(ANSWER)}{reference}/"):
            assert Client().get(path).status_code == 404
        stranger = Client().get(f"{reverse(ANSWER)}?reference={reference}")
        assert "Aucune demande n’a été envoyée depuis ce navigateur" in words_of(stranger.content.decode())
        assert (CONTACT in stranger.content.decode(), bool(stranger.cookies)) == (False, False)

    def test_a_robot_that_fills_the_hidden_field_gets_the_same_page(self, mail_delivery, time_machine):
        """ENU-08: a honeypot that assistive technology and keyboards never reach; no captcha."""
        time_machine.move_to(timezone.now(), tick=False)
        caught = answers_to(Client(), form_data(website="https://robot.example"))
        assert not AssistanceRequest.objects.exists() | JournalEntry.objects.exists()
        assert mail_delivery.deliver() == []
        assert caught == answers_to(Client(), form_data())
        trap = Client().get(reverse(PAGE)).content.decode().split('class="honeypot"')[1].split("</div>")[0]
        assert [text in trap for text in ('aria-hidden="true"', 'tabindex="-1"', 'autocomplete="off"')] == [True] * 3

    def test_one_client_and_all_together_are_limited_and_lose_nothing_typed(self, client, monkeypatch):
        """ENU-06: refused forms are not counted."""
        limits = (RateLimit("few-of-a-client", "5/hour"), RateLimit("few-in-all", "6/hour"))
        monkeypatch.setattr("assistance.views.ASSISTANCE_REQUESTS", PublicLimit(*limits))
        phones = ["06"] * 5 + [NUMBER] * 5
        answers = [client.post(reverse(PAGE), form_data(phone=phone)).status_code for phone in phones]
        assert answers == [200] * 5 + [302] * 5
        slowed = client.post(reverse(PAGE), form_data(description="Toute une histoire"))
        assert (slowed.status_code, 0 < int(slowed["Retry-After"]) <= 3601) == (429, True)
        for words in ("Trop de demandes depuis votre réseau", "Toute une histoire</textarea>"):
            assert words in slowed.content.decode()
        others = [Client(REMOTE_ADDR=f"198.51.100.{number}") for number in (0, 0, 0, 0, 1)]
        assert [browser.post(reverse(PAGE), form_data()).status_code for browser in others] == [302] * 3 + [429, 302]
        assert AssistanceRequest.objects.count() == 9


class TestRequest:
    def test_it_holds_what_was_typed_when_and_from_where_and_changes_no_account(self, time_machine):
        """HLP-02, HLP-04, LOG-01, PRV-07: the journal records nothing that was typed; the author is unproven."""
        account, now = locked_account(), timezone.now()
        time_machine.move_to(now, tick=False)
        before, mails = Account.objects.filter(pk=account.pk).values().get(), account.messages.count()
        typed = form_data(login=account.login.upper(), phone=" 06.12.34.56.78 ", description="Un\r\ndeux\r\n")
        Client(REMOTE_ADDR="198.51.100.77").post(reverse(PAGE), typed)
        request = AssistanceRequest.objects.get()
        assert (request.reason, request.profile, request.state) == (Reason.LOCKED, Profile.STAFF, RequestState.NEW)
        assert (request.typed_address, request.account, request.contact_address) == (account.login, account, CONTACT)
        assert (request.phone_typed, request.phone) == ("06.12.34.56.78", "+33612345678")
        assert (request.birth_date_typed, request.ine_typed) == (BORN, "")
        assert (request.availability, request.description) == ("demain matin", "Un\ndeux")
        assert (request.language, request.asked_at, request.client_address) == ("fr", now, "198.51.100.77")
        assert (request.taken_by, request.taken_at, request.closed_at) == (None, None, None)
        assert Account.objects.filter(pk=account.pk).values().get() == before
        assert (account.is_locked, account.messages.count()) == (True, mails)
        entry = account.journal.get(event=Event.ASSISTANCE_REQUESTED)
        assert (entry.actor, entry.client_address, entry.details) == (None, "198.51.100.77", {"request": request.pk})
        copy = str(export_person(account=account, actor=account))
        assert [text in copy for text in ("assistance_requested", CONTACT, "612345678")] == [True, False, False]

    def test_files_and_fields_that_the_form_does_not_have_are_ignored(self, client):
        """HLP-08, INP-06"""
        extra = {
            "state": "solved", "account": "1", "reference": "A-99999", "is_staff": "1", "taken_by": "1", "asked_at": "2000",
            "phone_typed": "17", "_connector": "OR 1=1--", "description[]": "x",
            "attachment": SimpleUploadedFile("photo.exe", b"MZ" * 1000),
        }  # fmt: skip
        instead = form_data() | {"description": SimpleUploadedFile("x.txt", b"texte")}
        assert client.post(reverse(PAGE), instead).status_code == 200
        assert client.post(f"{reverse(PAGE)}?profile=student&phone=17", form_data() | extra).status_code == 302
        request = AssistanceRequest.objects.get()
        assert (request.state, request.account, request.taken_by) == (RequestState.NEW, None, None)
        assert request.reference != "A-99999"
        assert (request.profile, request.phone_typed) == (Profile.STAFF, NUMBER)
        assert request.description == form_data()["description"]

    def test_the_database_refuses_inconsistent_requests(self):
        """PRV-04, and states without their times."""
        common = {"phone": "+33612345678", "profile": Profile.STAFF}
        AssistanceRequest.objects.create(**common, reference="A-22222")
        closed = {"taken_at": A_MOMENT, "closed_at": A_MOMENT}
        for facts in (
            *({"profile": "student", "birth_date_typed": BORN}, {"ine_typed": INE}, {"profile": "teacher"}),
            *({"state": state} for state in ("taken", "call_tried", "solved", "lost")),
            *({"state": "new", "taken_at": A_MOMENT}, {"state": "taken", **closed}, {"reference": "A-22222"}),
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                AssistanceRequest.objects.create(**{**common, "reference": "A-33333", **facts})
        with pytest.raises(IntegrityError), transaction.atomic():
            assistance_request(profile=Profile.STAFF, ine=INE, birth_date=BORN)
        rows = [model.objects.count() for model in (AssistanceRequest, Message, JournalEntry)]
        assert rows == [1, 0, 0]

    def test_a_reference_is_drawn_at_random(self, monkeypatch):
        """HLP-08: readable, each character drawn anew, and never given twice."""
        drawn = [random_reference() for _ in range(1_000)]
        assert len(set(drawn)) > 990
        assert not set(ALPHABET) & set("01IO")
        assert {(len(one), one[:2], set(one[2:]) <= set(ALPHABET)) for one in drawn} == {(7, "A-", True)}
        assert all(max(Counter(one[place] for one in drawn).values()) < 100 for place in range(2, 7))
        coming = iter(["A-22222", "A-22222", "A-22222", "A-33333"])
        monkeypatch.setattr("assistance.services.random_reference", lambda: next(coming))
        assert [assistance_request().reference for _ in range(2)] == ["A-22222", "A-33333"]


class TestAcknowledgement:
    """HLP-08"""

    def test_it_holds_the_reference_and_nothing_that_a_visitor_typed(self, mail_delivery, settings):
        """HLP-04: no text, number, date or address, no URL but the portal's; and it belongs to no account."""
        account = active_account()
        visit = {"availability": "lundi www.evil.example", "description": "Voir http://evil.example/ <b>gras</b>"}
        typed = student_form_data(login=account.login, phone="06 98 76 54 32", **visit)
        kept_out = ("evil", "gras", "98 76 54", "698765432", INE, "lundi www", account.login, account.family_name)
        for language in ("fr", "en"):
            with translation.override(language):
                Client().post(reverse(PAGE), typed)
            request, mail = AssistanceRequest.objects.latest("pk"), mail_delivery.last_mail()
            assert Message.objects.get(subject_id=request.pk, kind=Kind.ASSISTANCE_RECEIVED).person is None
            assert (mail["To"], request.reference in mail["Subject"]) == (CONTACT, True)
            assert mail["Content-Language"] == request.language == language
            for part in (mail["Subject"], text_of(mail), html_of(mail)):
                assert [text for text in kept_out if text in part] == []
            assert text_of(mail).count("http") == text_of(mail).count(settings.PORTAL_URL)

    def test_one_mailbox_gets_two_a_day_however_it_is_spelt(self, mail_delivery, time_machine):
        """ENU-05: further requests are kept without a mail, for known and unknown accounts alike."""
        logins, start = (pending_account().login, "x.y@univ-exemple.fr"), timezone.now()
        time_machine.move_to(start, tick=False)
        for login, spelling in product(logins, (CONTACT, "Camille+a@exemple.net", "CAMILLE+B@EXEMPLE.NET")):
            assistance_request(contact_address=spelling, login=login)
        assert (len(mail_delivery.deliver()), AssistanceRequest.objects.open().count()) == (2, 6)
        assistance_request(contact_address="une.autre@exemple.net")
        assert len(mail_delivery.deliver()) == 3
        time_machine.move_to(start + timedelta(days=1, seconds=1), tick=False)
        assistance_request()
        assert len(mail_delivery.deliver()) == 4
        closed = assistance_request()
        AssistanceRequest.objects.filter(pk=closed.pk).update(state=RequestState.REFUSED, closed_at=timezone.now())
        assert len(mail_delivery.deliver()) == 4

    @pytest.mark.django_db(transaction=True)
    def test_simultaneous_requests_send_two_to_one_mailbox(self):
        """ENU-05: no gap between counting and sending, whatever the spelling."""
        spellings = ("une@exemple.net", "Une@exemple.net", "UNE@exemple.net", "une@exemple.net", "une+e@exemple.net")
        together(*(partial(assistance_request, contact_address=spelling) for spelling in spellings))
        assert AssistanceRequest.objects.count() == len(spellings)
        assert Message.objects.filter(kind=Kind.ASSISTANCE_RECEIVED).count() == 2
