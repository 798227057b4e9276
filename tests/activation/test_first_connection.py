"""« 1ère connexion »: the same answer for everybody, a mail only where there is something to send."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activation.first_connection.services import answer_waiting_requests
from activation.models import LinkRequest
from core.rate_limits import RateLimit
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.activation.states import (
    EVERY_STATE,
    active,
    locked,
    locked_before_activation,
    pending,
    sharing_a_recovery_address,
    to_reactivate,
)
from tests.factories import pending_account
from tests.fuzz import EMAIL
from tests.mail_delivery import link_in, text_of
from tests.normalised import Answer, normalised_answer

pytestmark = pytest.mark.django_db

PAGE, ANSWER = "first-connection", "first-connection-answer"


MAILED = {
    pending: Kind.NEW_LINK,
    sharing_a_recovery_address: Kind.NEW_LINK,
    active: Kind.ALREADY_ACTIVE,
    locked: Kind.LOCKED,
    locked_before_activation: Kind.LOCKED,
    to_reactivate: Kind.REACTIVATION,
}


def asked_by_a_stranger(login: str, **fields: str) -> tuple[Answer, Answer]:
    browser = Client()
    browser.get(reverse(PAGE))
    redirected = browser.post(reverse(PAGE), {"login": login, **fields})
    return normalised_answer(redirected, login), normalised_answer(browser.get(reverse(ANSWER)), login)


def test_nobody_can_tell_who_has_an_account():
    """ENU-01: status, headers, cookies and body are the same for all, and no address is shown, masked or not."""
    people = [make() for make in EVERY_STATE]

    answers = {asked_by_a_stranger(person.login) for person in people}

    assert len(answers) == 1
    redirected, page = answers.pop()
    assert (redirected.status, page.status) == (302, 200)
    assert "Si <b" in page.body
    assert "***" not in page.body


def test_the_same_work_is_done_for_everybody():
    """ENU-03: as many queries, one row; whether the person exists is the worker's business."""
    for make in EVERY_STATE:
        person = make()
        with CaptureQueriesContext(
            connection,
        ) as of_this_person:
            Client().post(reverse(PAGE), {"login": person.login})
        with CaptureQueriesContext(connection) as of_nobody:
            Client().post(reverse(PAGE), {"login": "personne.du.tout@univ-exemple.fr"})

        statements = [[query["sql"].split(" ")[0] for query in captured] for captured in (of_this_person, of_nobody)]
        assert statements[0] == statements[1]
        assert not any("accounts_account" in query["sql"] for query in of_this_person)
        assert LinkRequest.objects.filter(login=person.login).count() == 1


@pytest.mark.parametrize("make", EVERY_STATE)
def test_who_gets_which_mail(client, mail_delivery, make):
    """Design §6, HLP-02: to the address on file; a link only to whoever is waiting to be activated."""
    person = make()

    client.post(reverse(PAGE), {"login": person.login})
    mails = mail_delivery.deliver()

    assert [message.kind for message in Message.objects.filter(person_id=person.pk)] == (
        [MAILED[make]] if make in MAILED else []
    )
    assert [mail["To"] for mail in mails] == ([person.recovery_address] if make in MAILED else [])
    if make in (locked, locked_before_activation, active):
        assert "/activation/" not in text_of(mails[0])


@pytest.mark.parametrize(
    "typed", ["camille.essai", "CAMILLE.ESSAI", "Camille.Essai@Univ-Exemple.FR", "  camille.essai@univ-exemple.fr "]
)
def test_the_login_may_be_typed_as_people_type(client, mail_delivery, typed):
    person = pending_account(given_name="Camille", family_name="Essai")

    client.post(reverse(PAGE), {"login": typed})

    assert mail_delivery.last_mail()["To"] == person.recovery_address
    assert client.get(link_in(mail_delivery.last_mail()), follow=True).status_code == 200


def test_twenty_requests_get_twenty_equal_pages_and_three_mails(mail_delivery):
    """ENU-05: silently; every spelling shares the count, and the last link still works."""
    person = pending_account(given_name="Jean", family_name="Essai")
    spellings = ["jean.essai", "JEAN.ESSAI", "jean.essai@univ-exemple.fr", " Jean.Essai@UNIV-EXEMPLE.FR "]

    answers = set()
    for number in range(20):
        typed = spellings[number % 4]
        browser = Client()
        browser.post(reverse(PAGE), {"login": typed})
        answers.add(normalised_answer(browser.get(reverse(ANSWER)), "jean.essai@univ-exemple.fr"))
        mail_delivery.deliver()

    assert len(answers) == 1
    assert len(mail_delivery.deliver()) == 3
    assert LinkRequest.objects.waiting().count() == 0
    assert person.journal.filter(event=Event.LINK_REQUESTED).count() == 3
    assert Client().get(mail_delivery.last_link(), follow=True).status_code == 200


def test_the_count_starts_again_after_an_hour(client, mail_delivery, time_machine):
    """ENU-05."""
    person = pending_account()
    start = timezone.now()
    for minutes, mails in [(0, 1), (1, 2), (2, 3), (3, 3), (59, 3), (60.1, 4)]:
        time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
        client.post(reverse(PAGE), {"login": person.login})
        assert len(mail_delivery.deliver()) == mails, minutes


def test_too_many_requests_of_one_client_get_a_useful_page(client, monkeypatch):
    """ENU-06: known and unknown count alike; the limit is the client's alone."""
    monkeypatch.setattr(
        "activation.first_connection.views.LINK_REQUESTS_PER_CLIENT", RateLimit("few-link-requests", "5/hour")
    )
    person = pending_account()

    for number in range(5):
        login = person.login if number % 2 else f"inconnu{number}"
        assert client.post(reverse(PAGE), {"login": login}).status_code == 302
    slowed = client.post(reverse(PAGE), {"login": person.login})
    elsewhere = Client(REMOTE_ADDR="198.51.100.9").post(reverse(PAGE), {"login": person.login})

    assert slowed.status_code == 429
    assert 0 < int(slowed["Retry-After"]) <= 3601
    assert "Trop de demandes" in slowed.content.decode()
    assert reverse("help") in slowed.content.decode()
    assert elsewhere.status_code == 302


def test_all_clients_together_are_limited_too(monkeypatch):
    """ENU-06."""
    monkeypatch.setattr("activation.first_connection.views.LINK_REQUESTS_IN_ALL", RateLimit("few-in-all", "3/hour"))

    answers = [
        Client(REMOTE_ADDR=f"198.51.100.{number}").post(reverse(PAGE), {"login": "quelqu.un"}).status_code
        for number in range(4)
    ]

    assert answers == [302, 302, 302, 429]


def test_a_header_made_up_by_the_client_does_not_reset_its_count(client, monkeypatch):
    """ENU-06: no trusted proxy, no X-Forwarded-For."""
    monkeypatch.setattr(
        "activation.first_connection.views.LINK_REQUESTS_PER_CLIENT", RateLimit("few-by-address", "2/hour")
    )

    answers = [
        client.post(
            reverse(PAGE), {"login": "quelqu.un"}, headers={"X-Forwarded-For": f"203.0.113.{number}"}
        ).status_code
        for number in range(3)
    ]

    assert answers == [302, 302, 429]


def test_a_robot_that_fills_the_hidden_field_gets_the_same_page_and_no_mail(mail_delivery):
    """ENU-08: a trap that assistive technology and keyboards never meet."""
    person = pending_account()
    page = Client().get(reverse(PAGE)).content.decode()
    trap = page.split('class="honeypot"')[1].split("</div>")[0]

    assert asked_by_a_stranger(person.login, website="https://robot.example") == asked_by_a_stranger(
        "inconnu@univ-exemple.fr"
    )
    assert mail_delivery.deliver() == []
    assert 'aria-hidden="true"' in trap
    assert 'tabindex="-1"' in trap
    assert 'autocomplete="off"' in trap


def test_the_address_pack_on_the_field(client, mail_delivery):
    """F1, EML-03: mails go to the address on file."""
    person = pending_account(institutional_address="jean.dupont@exemple.fr", recovery_address="connue@exemple.net")
    for value, _wanted in EMAIL:
        assert client.post(reverse(PAGE), {"login": value}, follow=True).status_code == 200, value

    assert {mail["To"] for mail in mail_delivery.deliver()} == {person.recovery_address}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.text(max_size=60))
def test_whatever_is_typed_gets_a_page(monkeypatch_limits, typed):
    """INP-01."""
    assert Client().post(reverse(PAGE), {"login": typed}).status_code in (200, 302)


@pytest.fixture
def monkeypatch_limits(monkeypatch) -> None:
    """Hypothesis is more eager than any robot."""
    monkeypatch.setattr("activation.first_connection.views.LINK_REQUESTS_PER_CLIENT", RateLimit("eager", "100000/hour"))


def test_the_request_notes_from_where_it_came_and_holds_no_secret():
    Client(REMOTE_ADDR="198.51.100.77").post(reverse(PAGE), {"login": "camille.essai"})

    request = LinkRequest.objects.get()
    assert request.client_address == "198.51.100.77"
    assert request.login == "camille.essai@univ-exemple.fr"
    assert request.answered_at is None


def test_a_request_is_answered_once(client, mail_delivery):
    """AVL-05."""
    person = pending_account()
    client.post(reverse(PAGE), {"login": person.login})

    mail_delivery.deliver()
    mail_delivery.deliver()

    assert Message.objects.filter(person=person).count() == 1


def test_the_answer_page_opened_by_itself_says_the_same_without_a_name(client):
    page = client.get(reverse(ANSWER)).content.decode()

    assert "Si un compte correspond à votre demande" in page


def test_the_answer_comes_in_the_language_of_the_account(client, mail_delivery):
    pending_account(given_name="Ada", family_name="Byron", language="en")

    client.post(reverse(PAGE), {"login": "ada.byron"})

    assert mail_delivery.last_mail()["Content-Language"] == "en"


def test_a_lost_broker_loses_no_request(client):
    """AVL-01: what the worker was not woken for is found by the sweep."""
    person = pending_account()
    client.post(reverse(PAGE), {"login": person.login})
    LinkRequest.objects.update(requested_at=timezone.now() - timedelta(minutes=1))

    answer_waiting_requests()

    assert Message.objects.get(person=person).kind == Kind.NEW_LINK
