"""Two browsers at the same instant, on a real PostgreSQL: every race has one outcome (TOK-07, SES-02)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from activation.enums import LinkRequestKind
from activation.first_connection.services import answer_link_request
from activation.models import CharterAcceptance
from activation.services import dispute_recovery_address, request_link
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.activation.wizard.client import (
    CHARTER,
    DIRECTORY,
    MAILBOX,
    PASSWORD,
    answer,
    answered_until,
    begin,
    forward_to,
)
from tests.concurrency import together, wait_until_blocked
from tests.factories import pending_account
from tests.invariants import assert_nothing_is_half_done

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 12
PASSWORDS = ("une-phrase-du-bureau-bleu", "une-phrase-du-train-orange")


@pytest.fixture(autouse=True)
def check_invariants(transactional_db) -> Iterator[None]:
    """SES-02, LOG-03"""
    yield
    assert_nothing_is_half_done()


def two_browsers_at(person: Account, step: str) -> list[Client]:
    answered_until(person, step)
    browsers = [Client(raise_request_exception=False), Client(raise_request_exception=False)]
    for browser in browsers:
        begin(browser, person)
    return browsers


def has_activated(response: HttpResponse) -> bool:
    assert response.status_code in (302, 410), response.status_code
    return response.get("Location") == reverse("activation-done")


@pytest.mark.parametrize("shares_session", [False, True])
def test_two_passwords_at_the_same_instant_make_one_activation(shares_session):
    """TOK-07: in two browsers, or two tabs of one; one mail, one event, and the stored hash is the winner's."""
    for _ in range(ROUNDS // 2):
        person = pending_account()
        browsers = two_browsers_at(person, PASSWORD)
        if shares_session:
            browsers[1].cookies = browsers[0].cookies.copy()
        responses = together(
            lambda: answer(browsers[0], PASSWORD, {"password": PASSWORDS[0]}),
            lambda: answer(browsers[1], PASSWORD, {"password": PASSWORDS[1]}),
        )
        [winner] = [number for number, response in enumerate(responses) if has_activated(response)]
        person.refresh_from_db()
        assert person.check_password(PASSWORDS[winner])
        assert person.journal.filter(event=Event.USER_ACTIVATED).count() == 1
        assert Message.objects.filter(person=person, kind=Kind.ACCOUNT_ACTIVATED).count() == 1


def lock(person: Account) -> None:
    lock_account(account=person, reason=LockReason.PHISHING)


def dispute(person: Account) -> None:
    dispute_recovery_address(account=person)


def correct(person: Account) -> None:
    with transaction.atomic():
        account = Account.objects.lock(person.pk)
        account.recovery_address = "correcte@exemple.net"
        account.save(update_fields=["recovery_address"])


def test_the_last_step_races_with_what_ends_the_session():
    """TOK-07, HLP-01: either order is fine; an activation after the event, or half of one, is not."""
    for event in (lock, dispute, correct) * (ROUNDS // 3):
        person = pending_account()
        browser, _other = two_browsers_at(person, PASSWORD)
        response, _done = together(lambda: answer(browser, PASSWORD), lambda: event(person))
        person.refresh_from_db()
        activated = has_activated(response)
        assert (person.activated_at is not None, person.has_usable_password()) == (activated, activated)
        assert person.journal.filter(event=Event.USER_ACTIVATED).count() == activated


def test_a_step_that_waited_for_a_lock_sees_it():
    """HLP-01: what the step reads after the wait is the locked account."""
    person = pending_account()
    browser, _other = two_browsers_at(person, PASSWORD)
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            lock(person)
            sent = threads.submit(lambda: (answer(browser, PASSWORD), connection.close())[0])
            wait_until_blocked()
        assert sent.result(timeout=10).status_code == 410
    assert not Account.objects.get(pk=person.pk).has_usable_password()


def test_an_answer_given_twice_at_the_same_instant_is_one_record():
    """SES-02"""
    for step in (CHARTER, DIRECTORY, MAILBOX) * (ROUNDS // 3):
        person = pending_account()
        browsers = two_browsers_at(person, step)
        typed = forward_to(f"ailleurs.{person.pk}@exemple.net") if step == MAILBOX else None
        responses = together(*(lambda browser=browser: answer(browser, step, typed) for browser in browsers))
        assert [response.status_code for response in responses] == [302, 302]
        assert CharterAcceptance.objects.filter(account=person).count() == 1
        assert person.directory_consents.count() == (step != CHARTER)
        assert Message.objects.filter(person=person).count() == (step == MAILBOX)
        entries = [(entry.event, str(entry.details)) for entry in person.journal.all()]
        assert len(set(entries)) == len(entries)


def test_two_workers_answer_one_request_once():
    """ENU-05, AVL-05"""
    for _ in range(ROUNDS // 3):
        person = pending_account()
        asked = request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)
        answered = together(*[lambda: answer_link_request(request_id=asked.pk)] * 2)
        assert sum(message is not None for message in answered) == 1
        assert Message.objects.filter(person=person).count() == 1
