"""The wizard in a browser's session: whose it is, what it may open, how long it lasts."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from tests.activation.wizard.client import (
    CHARTER,
    DIRECTORY,
    MAILBOX,
    PASSWORD,
    STEPS,
    answer,
    begin,
    begun_until,
    charter_answer,
    csrf_of,
    everything_about,
    forward_to,
    link_to,
)
from tests.config.test_answers import PUBLIC
from tests.factories import active_account, pending_account
from tests.fuzz.routes import routes
from tests.signing_in import is_signed_in, log_in

pytestmark = pytest.mark.django_db

START, KEEP_ALIVE = "activation", "activation-keep-alive"
# Before the charter is accepted no later step is open, nor the end.
NOT_YET_OPEN = {*STEPS[1:], "activation-done"}
# What psycopg reports of a server that goes away, once the rest of the response has been committed.
NO_SESSION_CAN_BE_WRITTEN = """
CREATE FUNCTION go_away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'away' USING ERRCODE = '57P01'; END $$;
CREATE TRIGGER go_away BEFORE UPDATE ON accounts_session FOR EACH ROW EXECUTE FUNCTION go_away();
"""


def test_the_session_key_is_renewed_by_each_link_and_at_the_end():
    """SES-01: neither an invented key nor one planted beforehand is adopted."""
    person, browser, attacker = pending_account(), Client(), Client()
    browser.cookies["sessionid"] = "a" * 32
    browser.post(reverse("first-connection"), {"login": "quelqu.un"})
    planted = browser.session.session_key
    keys = ["a" * 32, planted]
    for _ in range(2):
        browser.get(link_to(person))
        keys.append(browser.session.session_key)
    browser.post(reverse(START))
    attacker.cookies["sessionid"] = planted
    assert attacker.get(reverse(CHARTER)).status_code == 410
    for step in (CHARTER, DIRECTORY, MAILBOX, PASSWORD):
        answer(browser, step)
    keys.append(browser.session.session_key)
    assert len(set(keys)) == len(keys) == 5


def test_a_session_that_could_not_be_written_was_not_begun(client):
    """AVL-06, SES-02: asked to come back, the user presses the button again; a redirect would lead in circles."""
    client.get(link_to(pending_account()))
    with connection.cursor() as cursor:
        cursor.execute(NO_SESSION_CAN_BE_WRITTEN)
    client.raise_request_exception = False
    refused = client.post(reverse(START))
    assert (refused.status_code, bool(refused["Retry-After"])) == (503, True)
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER go_away ON accounts_session")
    assert client.get(reverse(START)).status_code == 200
    assert client.post(reverse(START))["Location"] == reverse(CHARTER)
    assert client.get(reverse(CHARTER)).status_code == 200


def test_a_double_click_on_the_first_button_begins_once(client):
    """SES-02: the second click still has the cookie of the first."""
    person, second = pending_account(), Client()
    client.get(link_to(person))
    second.cookies = client.cookies.copy()
    for browser in (client, second):
        assert browser.post(reverse(START))["Location"] == reverse(CHARTER)
    assert client.get(reverse(CHARTER)).status_code == second.get(reverse(CHARTER)).status_code == 200
    assert person.journal.count() == 1


def test_a_wizard_session_opens_the_wizard_and_public_pages_only(client):
    """SES-03: of every address of the URLconf, those of agents included."""
    begin(client, pending_account())
    pages = {route: client.get(route.path()) for route in routes()}
    open_pages = {route.name for route, page in pages.items() if page.status_code in (200, 204)}
    assert open_pages <= PUBLIC - NOT_YET_OPEN
    assert CHARTER in open_pages
    for route, page in pages.items():
        assert not route.is_closed or page.get("Location", "").startswith(reverse("login")), route.name


def test_the_link_of_another_account_ends_the_session_of_the_first(client):
    """SES-03: on a shared computer; a logged-in user is logged out."""
    first, second = pending_account(), pending_account()
    begun_until(client, first, MAILBOX)
    before = everything_about(first)
    client.get(link_to(second))
    assert answer(client, MAILBOX, forward_to("voleur@exemple.net"))["Location"] == reverse(START)
    assert everything_about(first) == before
    assert first.full_name not in client.get(reverse(START)).content.decode()
    browser = log_in(Client(), active_account())
    assert is_signed_in(browser)
    browser.get(link_to(second))
    assert not is_signed_in(browser)


def test_a_form_left_open_by_the_first_user_does_not_answer_for_the_second():
    """SES-03, SES-07: the CSRF token changes with the account; another tab of the same user goes on."""
    browser, first, second = Client(enforce_csrf_checks=True), pending_account(), pending_account()

    def begin_with_token(person: Account) -> str:
        page = browser.get(link_to(person), follow=True).content.decode()
        browser.post(reverse(START), {"csrfmiddlewaretoken": csrf_of(page)})
        return csrf_of(browser.get(reverse(CHARTER)).content.decode())

    charter = {"csrfmiddlewaretoken": begin_with_token(first), **charter_answer()}
    browser.get(link_to(first))
    assert browser.post(reverse(CHARTER), charter).status_code == 302
    begin_with_token(second)
    assert browser.post(reverse(CHARTER), charter).status_code == 403
    assert not second.charter_acceptances.exists()


def test_a_wizard_session_is_idle_for_an_hour_and_lasts_eight_at_most(client, time_machine):
    """SES-04: reading extends the idle limit, not the absolute one; the same link resumes."""
    person, start = pending_account(), timezone.now()

    def status_after(**time: int) -> int:
        time_machine.move_to(start + timedelta(**time), tick=False)
        return client.get(reverse(DIRECTORY)).status_code

    time_machine.move_to(start, tick=False)
    begun_until(client, person, DIRECTORY)
    assert status_after(minutes=59, seconds=59) == 200
    assert status_after(hours=2) == 410
    lost = answer(client, DIRECTORY)
    assert (lost.status_code, "Vos réponses sont gardées" in lost.content.decode()) == (410, True)
    assert not person.directory_consents.exists()
    assert "Reprenons à l’étape 3" in client.get(link_to(person), follow=True).content.decode()
    client.post(reverse(START))
    start += timedelta(hours=2)
    for half_hours in range(1, 16):
        time_machine.move_to(start + timedelta(minutes=30 * half_hours), tick=False)
        assert client.get(reverse(KEEP_ALIVE)).status_code == 204, half_hours
    assert (status_after(hours=8, seconds=-1), status_after(hours=8)) == (200, 410)
    assert client.get(reverse(KEEP_ALIVE)).status_code == 410


def test_without_a_session_every_page_says_how_to_get_a_link(client):
    for name in (*STEPS, START, "activation-not-me", "activation-charter-refused"):
        page = client.get(reverse(name))
        assert (page.status_code, reverse("first-connection") in page.content.decode()) == (410, True), name
    person = pending_account()
    client.get(link_to(person))
    Account.objects.filter(pk=person.pk).delete()
    assert client.get(reverse(START)).status_code == 410


def test_the_session_holds_no_answer(client):
    person = pending_account()
    begun_until(client, person, PASSWORD)
    assert set(client.session["activation"]) == {
        "account_id", "fingerprint", "deadline", "opened_at", "seen_at", "begun",
    }  # fmt: skip
    assert person.recovery_address not in str(dict(client.session))
