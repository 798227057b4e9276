"""« 1ère connexion »: the same answer for every login, a mail only where the state calls for one."""

from datetime import timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from activation.first_connection import views
from activation.first_connection.services import LATE_AFTER, answer_waiting_requests
from activation.models import LinkRequest
from core.rate_limits import RateLimit
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.activation import states
from tests.factories import events_of, pending_account
from tests.fuzz import EMAIL
from tests.mail_delivery import text_of
from tests.normalised import Answer, normalised_answer

pytestmark = pytest.mark.django_db

PAGE, ANSWER = "first-connection", "first-connection-answer"
UNKNOWN = "personne.du.tout@univ-exemple.fr"
MAILED = {
    states.pending: Kind.NEW_LINK,
    states.sharing_a_recovery_address: Kind.NEW_LINK,
    states.active: Kind.ALREADY_ACTIVE,
    states.locked: Kind.LOCKED,
    states.locked_before_activation: Kind.LOCKED,
    states.to_reactivate: Kind.REACTIVATION,
}


def ask(login: str, browser: Client | None = None, **fields: str) -> HttpResponse:
    return (browser or Client()).post(reverse(PAGE), {"login": login, **fields})


def answers_for(login: str, **fields: str) -> tuple[Answer, Answer]:
    browser = Client()
    browser.get(reverse(PAGE))
    redirected = ask(login, browser, **fields)
    return normalised_answer(redirected, login), normalised_answer(browser.get(reverse(ANSWER)), login)


def test_every_login_gets_the_same_answer():
    """ENU-01: status, headers, cookies and body; no address is shown, masked or not."""
    people = [make() for make in states.EVERY_STATE]
    [(redirected, page)] = {answers_for(person.login) for person in people}
    assert (redirected.status, page.status) == (302, 200)
    assert ("Si <b" in page.body, "***" in page.body) == (True, False)
    assert "Si un compte correspond à votre demande" in Client().get(reverse(ANSWER)).content.decode()


def test_every_login_costs_the_same_work():
    """ENU-03: the same statements, one row and no query on accounts: the worker looks for the account."""
    for make in states.EVERY_STATE:
        person, statements = make(), []
        for login in (person.login, UNKNOWN):
            with CaptureQueriesContext(connection) as captured:
                ask(login)
            statements.append([query["sql"].split(" ")[0] for query in captured])
            assert not any("accounts_account" in query["sql"] for query in captured), make
        assert statements[0] == statements[1], make
        assert LinkRequest.objects.filter(login=person.login).count() == 1, make


def test_the_state_decides_which_mail_is_sent(mail_delivery):
    """HLP-02, AVL-05: to the address on file, once; only a pending account gets an activation link."""
    for make in states.EVERY_STATE:
        person = make()
        mail_delivery.deliver().clear()
        Message.objects.all().delete()
        ask(person.login)
        mail_delivery.deliver()
        mails = mail_delivery.deliver()
        kinds = [message.kind for message in Message.objects.filter(person_id=person.pk)]
        assert kinds == ([MAILED[make]] if make in MAILED else []), make
        assert [mail["To"] for mail in mails] == ([person.recovery_address] if make in MAILED else []), make
        if make in MAILED:
            assert ("/activation/" in text_of(mails[0])) == (MAILED[make] == Kind.NEW_LINK), make


def test_twenty_requests_get_twenty_equal_pages_and_three_mails(mail_delivery, time_machine):
    """ENU-05: silently; every spelling shares the quota, which is free again after an hour; the last link works, in the
    language of the account."""
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    person = pending_account(given_name="Jean", family_name="Essai", language="en")
    spellings = ["jean.essai", "JEAN.ESSAI", "jean.essai@univ-exemple.fr", " Jean.Essai@UNIV-EXEMPLE.FR "]
    answers = set()
    for number in range(20):
        browser = Client()
        ask(spellings[number % 4], browser)
        answers.add(normalised_answer(browser.get(reverse(ANSWER)), person.login))
        assert len(mail_delivery.deliver()) == min(number + 1, 3)
    assert (len(answers), LinkRequest.objects.waiting().count()) == (1, 0)
    assert events_of(person) == [Event.LINK_REQUESTED] * 3
    assert mail_delivery.last_mail()["Content-Language"] == "en"
    assert Client().get(mail_delivery.last_link(), follow=True).status_code == 200
    for minutes, mails in ((59, 3), (60.1, 4)):
        time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
        ask(person.login)
        assert len(mail_delivery.deliver()) == mails, minutes


def test_many_requests_of_one_client_get_a_useful_page(client, monkeypatch):
    """ENU-06: known and unknown logins count alike; a forged X-Forwarded-For does not reset the count."""
    monkeypatch.setattr(views, "LINK_REQUESTS_PER_CLIENT", RateLimit("few-link-requests", "5/hour"))
    person = pending_account()
    for number in range(6):
        login, headers = person.login if number % 2 else UNKNOWN, {"X-Forwarded-For": f"203.0.113.{number}"}
        response = client.post(reverse(PAGE), {"login": login}, headers=headers)
        assert response.status_code == (302 if number < 5 else 429)
    assert 0 < int(response["Retry-After"]) <= 3601
    assert all(text in response.content.decode() for text in ("Trop de demandes", reverse("help")))
    assert ask(person.login, Client(REMOTE_ADDR="198.51.100.9")).status_code == 302


def test_all_clients_together_are_limited_too(monkeypatch):
    """ENU-06"""
    monkeypatch.setattr(views, "LINK_REQUESTS_IN_ALL", RateLimit("few-in-all", "3/hour"))
    answers = [ask(UNKNOWN, Client(REMOTE_ADDR=f"198.51.100.{number}")).status_code for number in range(4)]
    assert answers == [302, 302, 302, 429]


def test_a_robot_that_fills_the_hidden_field_gets_the_same_page_and_no_mail(mail_delivery):
    """ENU-08: assistive technology and keyboards never meet the trap."""
    page = Client().get(reverse(PAGE)).content.decode()
    trap = page.split('class="honeypot"')[1].split("</div>")[0]
    assert all(text in trap for text in ('aria-hidden="true"', 'tabindex="-1"', 'autocomplete="off"'))
    assert answers_for(pending_account().login, website="https://robot.example") == answers_for(UNKNOWN)
    assert mail_delivery.deliver() == []


def test_hostile_addresses_in_the_field_get_a_page_and_no_mail_elsewhere(mail_delivery):
    """EML-03: mails go to the address on file."""
    person = pending_account(institutional_address="jean.dupont@exemple.fr", recovery_address="connue@exemple.net")
    for value, _wanted in EMAIL:
        assert Client().post(reverse(PAGE), {"login": value}, follow=True).status_code == 200, value
    assert {mail["To"] for mail in mail_delivery.deliver()} == {person.recovery_address}


def test_a_request_whose_task_was_lost_is_found_by_the_sweep(time_machine):
    """AVL-01: once its task is late. It stores the client and no secret."""
    person, start = pending_account(), timezone.now()
    time_machine.move_to(start, tick=False)
    ask(person.login, Client(REMOTE_ADDR="198.51.100.77"))
    request = LinkRequest.objects.get()
    assert (request.client_address, request.login, request.answered_at) == ("198.51.100.77", person.login, None)
    answer_waiting_requests()
    assert not Message.objects.exists()
    time_machine.move_to(start + LATE_AFTER, tick=False)
    answer_waiting_requests()
    assert Message.objects.get(person=person).kind == Kind.NEW_LINK
