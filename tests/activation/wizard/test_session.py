"""The journey in a browser's session: whose it is, what it may open, how long it lasts."""

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
    csrf_of,
    everything_about,
    forward_to,
    link_to,
)
from tests.config.test_answers import PUBLIC
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz.routes import routes

pytestmark = pytest.mark.django_db

# Before the charter is accepted no later step is open, nor the end.
NOT_YET_OPEN = {
    *("activation-directory", "activation-mailbox", "activation-verification", "activation-password"),
    "activation-done",
}


# What psycopg says of a server that goes away, once the rest of the answer has been committed.
NO_SESSION_CAN_BE_WRITTEN = """
CREATE FUNCTION go_away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'away' USING ERRCODE = '57P01'; END $$;
CREATE TRIGGER go_away BEFORE UPDATE ON accounts_session FOR EACH ROW EXECUTE FUNCTION go_away();
"""


def test_the_session_key_changes_when_a_link_is_opened_and_when_the_journey_ends(client):
    """SES-01."""
    person = pending_account()
    keys = []
    client.get(reverse("first-connection"))
    client.post(reverse("first-connection"), {"login": "quelqu.un"})
    keys.append(client.session.session_key)
    client.get(link_to(person))
    keys.append(client.session.session_key)
    client.post(reverse("activation"))
    for step in (CHARTER, DIRECTORY, MAILBOX, PASSWORD):
        answer(client, step)
    keys.append(client.session.session_key)

    assert len(set(keys)) == len(keys) == 3


def test_a_button_whose_session_could_not_be_written_was_not_pressed(client):
    """AVL-06, SES-02: told to come back, the person presses it again; sent on, they would be led round in circles."""
    client.get(link_to(pending_account()))
    with connection.cursor() as cursor:
        cursor.execute(NO_SESSION_CAN_BE_WRITTEN)
    client.raise_request_exception = False

    refused = client.post(reverse("activation"))

    assert (refused.status_code, bool(refused["Retry-After"])) == (503, True)
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER go_away ON accounts_session")
    assert client.get(reverse("activation")).status_code == 200
    assert client.post(reverse("activation"))["Location"] == reverse(CHARTER)
    assert client.get(reverse(CHARTER)).status_code == 200


def test_opening_the_same_link_again_changes_the_session_key_too(client):
    """SES-01."""
    person = pending_account()
    begin(client, person)
    before = client.session.session_key

    client.get(link_to(person))

    assert client.session.session_key != before


def test_a_double_click_on_the_first_button_begins_once(client):
    """SES-02: the second click still carries the cookie of the first."""
    person = pending_account()
    client.get(link_to(person))
    second = Client()
    second.cookies = client.cookies.copy()

    answers = [browser.post(reverse("activation")) for browser in (client, second)]

    assert [response["Location"] for response in answers] == [reverse(CHARTER)] * 2
    assert client.get(reverse(CHARTER)).status_code == second.get(reverse(CHARTER)).status_code == 200
    assert person.journal.count() == 1


def test_a_session_planted_beforehand_learns_nothing(client):
    """SES-01: whoever planted the cookie stays outside the journey."""
    person = pending_account()
    client.post(reverse("first-connection"), {"login": "quelqu.un"})
    planted = client.cookies["sessionid"].value
    begin(client, person)
    attacker = Client()
    attacker.cookies["sessionid"] = planted

    assert attacker.get(reverse(CHARTER)).status_code == 410


def test_a_made_up_session_is_not_adopted(client):
    """SES-01."""
    client.cookies["sessionid"] = "a" * 32
    begin(client, pending_account())

    assert client.session.session_key != "a" * 32


def test_a_journey_opens_the_wizard_and_public_pages_only(client):
    """SES-03: of every address of the URLconf, the agents' included."""
    begin(client, pending_account())

    pages = {route: client.get(route.path()) for route in routes()}

    open_pages = {route.name for route, page in pages.items() if page.status_code in (200, 204)}
    assert open_pages <= PUBLIC - NOT_YET_OPEN
    assert CHARTER in open_pages
    for route, page in pages.items():
        assert not route.is_closed or page.get("Location", "").startswith(reverse("login")), route.name


def test_opening_somebody_elses_link_ends_the_journey_of_the_first(client):
    """SES-03: a shared computer."""
    first, second = pending_account(), pending_account()
    begun_until(client, first, MAILBOX)
    before = everything_about(first)

    client.get(link_to(second))
    sent = answer(client, MAILBOX, forward_to("voleur@exemple.net"))

    assert sent["Location"] == reverse("activation")
    assert everything_about(first) == before
    assert first.full_name not in client.get(reverse("activation")).content.decode()


def test_a_form_left_open_by_the_first_person_does_not_answer_for_the_second():
    """SES-03: the CSRF token changes with the person; the same person's other tab goes on."""
    browser = Client(enforce_csrf_checks=True)
    first, second = pending_account(), pending_account()

    def begin_checked(person: Account) -> str:
        page = browser.get(link_to(person), follow=True).content.decode()
        browser.post(reverse("activation"), {"csrfmiddlewaretoken": csrf_of(page)})
        return csrf_of(browser.get(reverse(CHARTER)).content.decode())

    tokens_of_first = begin_checked(first)
    browser.get(link_to(first))
    charter = {"csrfmiddlewaretoken": tokens_of_first, "version": "2026-09", "accepted": "on"}
    same_person = browser.post(reverse(CHARTER), charter)
    begin_checked(second)
    other_person = browser.post(reverse(CHARTER), charter)

    assert same_person.status_code == 302
    assert other_person.status_code == 403
    assert not second.charter_acceptances.exists()


def test_opening_a_link_signs_out_whoever_was_signed_in(client):
    """SES-03."""
    signed_in = active_account()
    client.post(reverse("login"), {"login": signed_in.login, "password": A_GOOD_PASSWORD})
    assert client.get(reverse("account")).status_code == 200

    client.get(link_to(pending_account()))

    assert client.get(reverse("account")).status_code == 302


def test_a_journey_waits_for_an_hour_and_no_longer(client, time_machine):
    """SES-04: idle limit; the same link resumes, answers kept."""
    person = pending_account()
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    begun_until(client, person, DIRECTORY)

    time_machine.move_to(start + timedelta(minutes=59, seconds=59), tick=False)
    assert client.get(reverse(DIRECTORY)).status_code == 200
    time_machine.move_to(start + timedelta(hours=2), tick=False)
    lost = answer(client, DIRECTORY)
    time_machine.move_to(start + timedelta(hours=2, minutes=1), tick=False)
    resumed = client.get(link_to(person), follow=True).content.decode()

    assert lost.status_code == 410
    assert "Vos réponses sont gardées" in lost.content.decode()
    assert not person.directory_consents.exists()
    assert "Reprenons à l’étape 3" in resumed


def test_reading_does_not_postpone_the_end_of_a_journey(client, time_machine):
    """SES-04: activity keeps it alive from hour to hour, never past eight hours."""
    person = pending_account()
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    begun_until(client, person, DIRECTORY)

    for half_hours in range(1, 16):
        time_machine.move_to(start + timedelta(minutes=30 * half_hours), tick=False)
        assert client.get(reverse("activation-keep-alive")).status_code == 204, half_hours
    time_machine.move_to(start + timedelta(hours=8, seconds=-1), tick=False)
    assert client.get(reverse(DIRECTORY)).status_code == 200
    time_machine.move_to(start + timedelta(hours=8), tick=False)

    assert client.get(reverse(DIRECTORY)).status_code == 410
    assert client.get(reverse("activation-keep-alive")).status_code == 410


def test_a_lost_journey_never_ends_on_a_missing_page(client):
    """Design §5."""
    for name in (*STEPS, "activation", "activation-not-me", "activation-charter-refused"):
        page = client.get(reverse(name))
        assert page.status_code == 410, name
        assert reverse("first-connection") in page.content.decode()


def test_the_session_holds_no_answer(client):
    """Design §5: whose journey, since when, nothing else."""
    person = pending_account()
    begun_until(client, person, PASSWORD)

    kept = client.session["activation"]

    assert set(kept) == {"account_id", "fingerprint", "deadline", "opened_at", "seen_at", "begun"}
    assert person.recovery_address not in str(dict(client.session))


def test_a_journey_of_somebody_who_was_erased_meanwhile_is_lost(client):
    person = pending_account()
    client.get(link_to(person))
    Account.objects.filter(pk=person.pk).delete()

    assert client.get(reverse("activation")).status_code == 410


def test_every_form_of_the_journey_checks_where_it_comes_from():
    """SES-07: a POST without its token writes nothing."""
    browser = Client(enforce_csrf_checks=True)
    person = pending_account()
    browser.get(link_to(person))
    before = everything_about(person)

    for name in (
        "activation",
        *STEPS,
        "activation-not-me",
        "activation-new-link",
        "activation-verification-resend",
        "first-connection",
        "login",
        "logout",
        "redirection",
    ):
        response = browser.post(reverse(name), {})
        assert response.status_code == 403, name
        assert "csrf" not in response.content.decode().lower(), name

    assert everything_about(person) == before
