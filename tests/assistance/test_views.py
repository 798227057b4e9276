"""The public pages of a request for assistance."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account
from assistance import services
from assistance.enums import Profile, RequestState
from assistance.models import AssistanceRequest
from core.rate_limits import RateLimit
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from tests.assistance.asking import CONTACT, form_data, request_data, student_form_data, values_in, words_of
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.locking import locked_account
from tests.mail_delivery import text_of
from tests.normalised import Answer, normalised_answer
from tests.pages import publish_another_charter

pytestmark = pytest.mark.django_db

PAGE, ANSWER = "assistance", "assistance-sent"
INE = "0123456789A"


def with_bounced_mail() -> Account:
    account = pending_account()
    Message.objects.create(kind=Kind.ACTIVATION, person=account, address=account.recovery_address, status="bounced")
    return account


def with_an_open_request() -> Account:
    account = pending_account()
    services.create_request(**request_data(login=account.login, contact_address="autre@exemple.org"))
    return account


ACCOUNTS: dict[str, Callable[[], Account]] = {
    "pending": lambda: pending_account(ine=INE),
    "active": lambda: active_account(ine=INE),
    "locked": lambda: locked_account(ine=INE),
    "closed": lambda: pending_account(ine=INE, end_date=timezone.localdate() - timedelta(days=1)),
    "student": lambda: active_account(ine=INE, category=Category.STUDENT),
    "agent": lambda: active_account(is_staff=True),
    "without recovery address": lambda: pending_account(recovery_address=""),
    "bounced mail": with_bounced_mail,
    "open request": with_an_open_request,
    "unknown": lambda: Account(institutional_address="personne.inconnue@univ-exemple.fr"),
    "elsewhere": lambda: Account(institutional_address="quelqu.un@autre-univ.fr"),
}
KNOWLEDGE = {
    "right birth date": form_data(),
    "wrong birth date": form_data(birth_date_year="1988"),
    "right INE": student_form_data(),
    "wrong INE": student_form_data(ine="1111111111Z"),
}


def the_request() -> AssistanceRequest:
    return AssistanceRequest.objects.get()


def answers_to(browser: Client, typed: dict[str, str]) -> tuple[Answer, Answer]:
    redirected = browser.post(reverse(PAGE), typed)
    shown = browser.get(reverse(ANSWER))
    reference = browser.session["assistance_sent"]["reference"]
    return normalised_answer(redirected, typed["login"]), normalised_answer(shown, typed["login"], reference)


def test_the_answer_does_not_reveal_which_accounts_exist(time_machine):
    """ENU-01, HLP-04: status, headers, cookies and body are the same for all states and for right and wrong facts."""
    accounts = [make() for make in ACCOUNTS.values()]
    time_machine.move_to(timezone.now(), tick=False)
    answers = {
        answers_to(Client(REMOTE_ADDR=f"198.51.100.{number}"), known | {"login": account.login})
        for number, account in enumerate(accounts)
        for known in KNOWLEDGE.values()
    }
    assert len(answers) == 1
    redirected, page = answers.pop()
    assert (redirected.status, page.status) == (302, 200)
    assert "***" not in page.body


def test_a_session_even_with_a_charter_to_accept_makes_no_difference(client):
    """The request is about the account that was typed."""
    account = active_account()
    publish_another_charter("2031-01")
    client.post(reverse("login"), {"login": account.login, "password": A_GOOD_PASSWORD})
    assert (client.get(reverse("account")).status_code, client.get(reverse(PAGE)).status_code) == (302, 200)
    assert client.post(reverse(PAGE), form_data(login="x.y@univ-exemple.fr")).url == reverse(ANSWER)
    assert the_request().account is None


def statements_for(client_address: str, **typed: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        Client(REMOTE_ADDR=client_address).post(
            reverse(PAGE), (student_form_data if "ine" in typed else form_data)(**typed)
        )
    statements = [query["sql"].split(" VALUES")[0].replace(typed["contact_address"], "")[:70] for query in captured]
    return [sql for sql in statements if "SAVEPOINT" not in sql]


def test_every_account_costs_the_same_statements():
    """ENU-03: the same statements in the same order, whatever is known of the account."""
    unknown = statements_for("198.51.100.250", login="nul.autre@univ-exemple.fr", contact_address="un@exemple.org")
    assert len(unknown) == 8
    for number, (name, make) in enumerate(ACCOUNTS.items()):
        account, address = make(), f"198.51.100.{number}"
        for typed in ({}, {"ine": INE}):
            mailbox = f"a{number}{len(typed)}@exemple.org"
            assert statements_for(address, login=account.login, contact_address=mailbox, **typed) == unknown, name


def test_the_answer_says_where_the_mail_went_and_until_when_an_agent_calls(
    client, mail_delivery, time_machine, settings
):
    """PRV-04: the session holds what the answer shows, and reloading the answer sends nothing."""
    settings.SUPPORT_PHONE = "04 67 00 00 00"
    time_machine.move_to("2026-10-09T15:59:59.9+02:00", tick=True)
    client.post(reverse(PAGE), form_data())
    page, *again = (words_of(client.get(reverse(ANSWER)).content.decode()) for _ in range(3))
    for words in (the_request().reference, CONTACT, "lundi 12 octobre 2026 à 11 h (heure de Paris)", "04 67 00 00 00"):
        assert words in page
    assert the_request().reference in again[-1]
    assert set(client.session["assistance_sent"]) == {"reference", "contact_address", "call_expected_by"}
    assert "lundi 12 octobre 2026 à 11 h" in words_of(text_of(mail_delivery.last_mail()))
    assert "04 67 00 00 00" in client.get(reverse(PAGE)).content.decode().split("</main>")[0]


def test_a_reference_is_shown_to_its_author_alone_and_opens_nothing(client):
    """HLP-08: there is no page of a request, and none that a reference leads to."""
    client.post(reverse(PAGE), form_data())
    reference = the_request().reference
    assert reference not in client.get(reverse(PAGE)).content.decode()
    for path in (f"{reverse(PAGE)}{reference}/", f"{reverse(ANSWER)}{reference}/"):
        assert Client().get(path).status_code == 404
    plain, with_reference = (Client().get(reverse(ANSWER) + query) for query in ("", f"?reference={reference}"))
    assert normalised_answer(with_reference).body == normalised_answer(plain).body
    assert "Aucune demande n’a été envoyée depuis ce navigateur" in words_of(plain.content.decode())
    assert not plain.cookies


def test_a_robot_that_fills_the_hidden_field_gets_the_same_page_and_nothing_is_kept(mail_delivery, time_machine):
    """ENU-08: a honeypot that assistive technology and keyboards never reach; no captcha."""
    time_machine.move_to(timezone.now(), tick=False)
    caught = answers_to(Client(), form_data(website="https://robot.example"))
    assert not AssistanceRequest.objects.exists()
    assert not JournalEntry.objects.exists()
    assert mail_delivery.deliver() == []
    assert caught == answers_to(Client(), form_data())
    page = Client().get(reverse(PAGE)).content.decode()
    trap = page.split('class="honeypot"')[1].split("</div>")[0]
    for attribute in ('aria-hidden="true"', 'tabindex="-1"', 'autocomplete="off"'):
        assert attribute in trap
    assert "captcha" not in page.lower()


def test_a_mail_server_that_refuses_is_not_seen_by_the_visitor(client, mail_delivery, mail_server):
    """ENU-04"""
    mail_server.answer = lambda *_: "550 no"
    assert client.post(reverse(PAGE), form_data()).status_code == 302
    mail_delivery.deliver()
    assert the_request().reference in client.get(reverse(ANSWER)).content.decode()


def test_one_client_and_all_together_are_limited_and_lose_nothing_typed(client, monkeypatch):
    """ENU-06: refused forms are not counted."""
    monkeypatch.setattr("assistance.views.ASSISTANCE_REQUESTS_PER_CLIENT", RateLimit("few-requests", "2/hour"))
    monkeypatch.setattr("assistance.views.ASSISTANCE_REQUESTS_IN_ALL", RateLimit("few-requests-in-all", "3/hour"))
    for _ in range(5):
        client.post(reverse(PAGE), form_data(phone="06"))
    for _ in range(2):
        assert client.post(reverse(PAGE), form_data()).status_code == 302
    slowed = client.post(reverse(PAGE), form_data(description="Toute une histoire"))
    assert slowed.status_code == 429
    assert 0 < int(slowed["Retry-After"]) <= 3601
    assert "Trop de demandes depuis votre réseau" in slowed.content.decode()
    assert values_in(slowed.content.decode())["description"] == "Toute une histoire"
    others = [Client(REMOTE_ADDR=f"198.51.100.{number}") for number in range(2)]
    assert [browser.post(reverse(PAGE), form_data()).status_code for browser in others] == [302, 429]
    assert AssistanceRequest.objects.count() == 3


def test_files_and_fields_that_the_form_does_not_have_are_ignored(client):
    """HLP-08, INP-06"""
    extra = {
        "state": "solved", "account": "1", "reference": "A-99999", "is_staff": "1", "taken_by": "1", "asked_at": "2000",
        "phone_typed": "17", "_connector": "OR 1=1--", "description[]": "x",
        "attachment": SimpleUploadedFile("photo.exe", b"MZ" * 1000),
    }  # fmt: skip
    instead = form_data() | {"description": SimpleUploadedFile("x.txt", b"texte")}
    assert client.post(reverse(PAGE), instead).status_code == 200
    assert client.post(f"{reverse(PAGE)}?profile=student&phone=17", form_data() | extra).status_code == 302
    request = the_request()
    assert (request.state, request.account, request.taken_by) == (RequestState.NEW, None, None)
    assert request.reference != "A-99999"
    assert (request.profile, request.phone_typed) == (Profile.STAFF, "06 12 34 56 78")
    assert request.description == form_data()["description"]
