"""SES-02: from the mail to an active account, one step after the other; the session of the wizard."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.enums import Category
from accounts.models import Account
from activation.links import activation_link
from activation.models import CharterAcceptance
from activation.services import ActivationIncomplete, AlreadyActivated, complete_activation, dispute_recovery_address
from activation.wizard.session import WizardSession
from journal.events import Event
from mailrouting.services import choose_redirection
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email
from tests.activation.states import changed, leave, lock
from tests.activation.wizard import client as wizard
from tests.activation.wizard.client import CHARTER, DIRECTORY, MAILBOX, PASSWORD, STEPS, VERIFICATION, answer, begin
from tests.concurrency import together, wait_until_blocked
from tests.config.test_answers import PUBLIC
from tests.factories import A_GOOD_PASSWORD, active_account, events_of, pending_account, reloaded
from tests.fuzz.routes import routes
from tests.invariants import assert_nothing_is_half_done
from tests.mail_delivery import text_of
from tests.mailrouting.forwarding import ELSEWHERE
from tests.signing_in import is_signed_in, log_in

pytestmark = pytest.mark.django_db

START, KEEP_ALIVE, DONE = "activation", "activation-keep-alive", "activation-done"
# What psycopg reports of a server that goes away, once the rest of the response has been committed.
NO_SESSION_CAN_BE_WRITTEN = """
CREATE FUNCTION go_away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'away' USING ERRCODE = '57P01'; END $$;
CREATE TRIGGER go_away BEFORE UPDATE ON accounts_session FOR EACH ROW EXECUTE FUNCTION go_away();
"""
EXTRA = {"is_staff": "1", "is_superuser": "1", "state": "active", "account": "1", "activated_at": "2020-01-01"}
EXTRA |= {"recovery_address": "a@mechant.example", "institutional_address": "chef@univ-exemple.fr"}
LISTED = {"listed": "yes", "understood": "on"}
ACTS: dict[str, Callable[[Client, Account], object]] = {
    "open the link": lambda browser, person: browser.get(wizard.link_to(person)),
    "begin": lambda browser, person: browser.post(reverse(START)),
    "accept": lambda browser, person: answer(browser, CHARTER),
    "list me": lambda browser, person: answer(browser, DIRECTORY, LISTED),
    "do not list me": lambda browser, person: answer(browser, DIRECTORY),
    "no forwarding": lambda browser, person: answer(browser, MAILBOX, {}),
    "forward": lambda browser, person: answer(browser, MAILBOX, wizard.forward_to(f"{person.pk}@exemple.org")),
    "go on": lambda browser, person: answer(browser, VERIFICATION),
    "choose a password": lambda browser, person: answer(browser, PASSWORD),
    "lose the cookies": lambda browser, person: browser.cookies.clear(),
    "read every step": lambda browser, person: [browser.get(reverse(step)).status_code for step in STEPS],
}
# Most walks go forward, so that some reach the end.
FORWARD = ["open the link", "begin", "accept", "list me", "forward", "go on", "choose a password"]
WALKS = st.lists(st.tuples(st.integers(0, 1), st.sampled_from([*ACTS, *FORWARD, *FORWARD])), max_size=25)
ROUNDS, PASSWORDS = 12, ("une-phrase-du-bureau-bleu", "une-phrase-du-train-orange")
STRAIGHT = [(0, name) for name in FORWARD]


def test_a_member_of_staff_activates_an_account(client, mail_delivery, time_machine):
    """PWD-06, INP-06: the password opens the account, activating does not log in, and only the fields of the forms are read.
    TOK-03: a wizard that was begun before the deadline may be finished after it."""
    person, deadline = pending_account(), activation_link.deadline(timezone.now())
    queue_email(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language=person.language)
    link = mail_delivery.last_link()
    time_machine.move_to(deadline - timedelta(minutes=10))
    client.get(link)
    client.post(reverse(START))
    time_machine.move_to(deadline + timedelta(minutes=5))
    for step, typed in ((CHARTER, wizard.charter_answer()), (DIRECTORY, LISTED), (MAILBOX, {})):
        answer(client, step, {**typed, **EXTRA})
        assert reloaded(person).activated_at is None
    last = client.post(reverse(PASSWORD), {"password": A_GOOD_PASSWORD, **EXTRA}, follow=True)
    assert all(text in last.content.decode() for text in ("Votre compte est activé", "Étape 7 sur 7"))
    active = reloaded(person)
    assert (active.is_active, active.check_password(A_GOOD_PASSWORD)) == (True, True)
    assert (active.mailbox.address, active.directory_consents.get().listed) == (person.institutional_address, True)
    kept = ("is_staff", "is_superuser", "recovery_address", "institutional_address")
    assert [getattr(active, name) for name in kept] == [getattr(person, name) for name in kept]
    assert active.activated_at > deadline
    assert active.charter_acceptances.count() == 1
    written = {Event.CHARTER_ACCEPTED, Event.USER_ACTIVATED, Event.MAILBOX_CREATED, Event.PASSWORD_SET}
    assert written <= set(events_of(person))
    mail = mail_delivery.last_mail()
    assert (mail["To"], "actif" in text_of(mail)) == (person.recovery_address, True)
    assert client.get(reverse("account")).status_code == 302


def test_accounts_without_a_mailbox_skip_its_steps_and_get_none(client):
    for category in (Category.HOSTED, Category.STUDENT):
        person = pending_account(category=category)
        begin(client, person)
        answer(client, CHARTER)
        redirected = [answer(client, DIRECTORY), *(client.get(reverse(step)) for step in (MAILBOX, VERIFICATION))]
        redirected.append(answer(client, MAILBOX, wizard.forward_to(ELSEWHERE)))
        assert {response["Location"] for response in redirected} == {reverse(PASSWORD)}
        assert "sans objet" in client.get(reverse(PASSWORD)).content.decode()
        answer(client, PASSWORD)
        person = reloaded(person)
        assert (person.is_active, hasattr(person, "mailbox"), hasattr(person, "redirection")) == (True, False, False)


def test_the_first_page_says_whose_account_it_is_and_the_same_link_resumes_where_the_user_stopped(client):
    """Answers belong to the account; the button of the first page to a browser."""
    person, phone = pending_account(given_name="Zoé", family_name="Le Gall"), Client()
    page = client.get(wizard.link_to(person), follow=True).content.decode()
    assert all(fact in page for fact in ("Zoé Le Gall", person.institutional_address, person.recovery_address))
    wizard.begun_until(client, person, MAILBOX)
    assert "Reprenons à l’étape 4" in phone.get(wizard.link_to(person), follow=True).content.decode()
    assert phone.post(reverse(START))["Location"] == reverse(MAILBOX)
    assert client.get(wizard.link_to(person), follow=True).redirect_chain[-1] == (reverse(MAILBOX), 302)


def test_after_the_end_only_the_last_page_can_be_read_for_a_quarter_of_an_hour(client, time_machine):
    wizard.begun_until(client, pending_account(), PASSWORD)
    answer(client, PASSWORD)
    assert client.get(reverse(START))["Location"] == reverse(DONE)
    back = client.get(reverse(DIRECTORY))
    assert back.status_code == 410
    assert all(text in back.content.decode() for text in ("Votre compte est déjà actif", reverse("login")))
    start = timezone.now()
    time_machine.move_to(start + timedelta(minutes=14))
    assert "Votre compte est activé" in client.get(reverse(DONE)).content.decode()
    time_machine.move_to(start + timedelta(minutes=16))
    assert client.get(reverse(DONE))["Location"] == reverse("login")


def test_no_step_after_the_first_missing_one_can_be_read_or_answered(client):
    """SES-02: with any one answer missing, before the first page was left, and without a session."""
    for missing in (CHARTER, DIRECTORY, MAILBOX, VERIFICATION):
        person = pending_account()
        begin(client, person)
        wizard.answered_until(person, PASSWORD, but=missing)
        if missing == VERIFICATION:
            choose_redirection(account=person, target=ELSEWHERE, keep_copy=True)
        before = wizard.everything_about(person)
        for later in STEPS[STEPS.index(missing) + 1 :]:
            assert answer(client, later)["Location"] == reverse(missing), later
            assert client.get(reverse(later))["Location"] == reverse(missing), later
        assert client.get(reverse(missing)).status_code == 200
        assert wizard.everything_about(person) == before
    for step in STEPS:
        person, browser = pending_account(), Client()
        assert (answer(browser, step).status_code, browser.get(reverse(step)).status_code) == (410, 410)
        browser.get(wizard.link_to(person))
        before = wizard.everything_about(person)
        assert answer(browser, step)["Location"] == reverse(START)
        assert wizard.everything_about(person) == before


def test_the_service_refuses_an_incomplete_activation_and_a_second_one():
    """SES-02, TOK-07, HLP-01: only a pending account with all its answers is activated, whichever page asks."""
    for refused, missing, event in (
        (ActivationIncomplete, CHARTER, reloaded),
        (ActivationIncomplete, DIRECTORY, reloaded),
        (ActivationIncomplete, MAILBOX, reloaded),
        (AlreadyActivated, "", lambda person: changed(person, activated_at=timezone.now())),
        (AlreadyActivated, "", leave),
        (AlreadyActivated, "", lock),
    ):
        person = pending_account()
        wizard.answered_until(person, PASSWORD, but=missing)
        event(person)
        before = wizard.everything_about(person)
        with pytest.raises(refused):
            complete_activation(account=person, password=A_GOOD_PASSWORD)
        assert wizard.everything_about(person) == before


def test_an_answer_sent_twice_is_recorded_once_and_one_changed_is_added(client):
    """SES-02, TOK-07: a double click, a user who goes back, and another tab after the end."""
    person = pending_account()
    begin(client, person)
    for step, typed in ((CHARTER, None), (DIRECTORY, None), (MAILBOX, wizard.forward_to(ELSEWHERE))):
        first = answer(client, step, typed)
        before = wizard.everything_about(person)
        assert answer(client, step, typed)["Location"] == first["Location"]
        assert wizard.everything_about(person) == before
    answer(client, VERIFICATION)
    shown = client.get(reverse(DIRECTORY)).content.decode()
    assert [tag for tag in shown.split("<input") if 'value="no"' in tag and " checked" in tag.split(">")[0]]
    assert answer(client, DIRECTORY, LISTED)["Location"] == reverse(PASSWORD)
    assert [decision.listed for decision in person.directory_consents.order_by("pk")] == [False, True]
    other_tab, another = Client(), {"password": "une-autre-phrase-de-passe"}
    begin(other_tab, person)
    assert answer(client, PASSWORD)["Location"] == reverse(DONE)
    before = wizard.everything_about(person)
    for late in (answer(client, PASSWORD, another), answer(other_tab, PASSWORD, another)):
        assert (late.status_code, "déjà actif" in late.content.decode()) == (410, True)
    assert wizard.everything_about(person) == before
    kinds = [message["kind"] for message in before["messages"]]
    assert kinds == [Kind.REDIRECTION_VERIFICATION, Kind.ACCOUNT_ACTIVATED]


def test_the_session_key_is_renewed_by_each_link_and_at_the_end():
    """SES-01: neither an invented key nor one planted beforehand is adopted."""
    person, browser, attacker = pending_account(), Client(), Client()
    browser.cookies["sessionid"] = "a" * 32
    browser.post(reverse("first-connection"), {"login": "quelqu.un"})
    planted = browser.session.session_key
    keys = ["a" * 32, planted]
    for _ in range(2):
        browser.get(wizard.link_to(person))
        keys.append(browser.session.session_key)
    browser.post(reverse(START))
    attacker.cookies["sessionid"] = planted
    assert attacker.get(reverse(CHARTER)).status_code == 410
    for step in (CHARTER, DIRECTORY, MAILBOX, PASSWORD):
        answer(browser, step)
    keys.append(browser.session.session_key)
    assert len(set(keys)) == 5


def test_the_first_button_begins_once_and_only_when_the_session_could_be_written(client):
    """AVL-06, SES-02: a redirect would lead in circles. The second of two clicks still has the cookie of the first."""
    person, second = pending_account(), Client()
    client.get(wizard.link_to(person))
    with connection.cursor() as cursor:
        cursor.execute(NO_SESSION_CAN_BE_WRITTEN)
    client.raise_request_exception = False
    refused = client.post(reverse(START))
    assert (refused.status_code, bool(refused["Retry-After"])) == (503, True)
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER go_away ON accounts_session")
    assert client.get(reverse(START)).status_code == 200
    second.cookies = client.cookies.copy()
    for browser in (client, second):
        assert browser.post(reverse(START))["Location"] == reverse(CHARTER)
    assert client.get(reverse(CHARTER)).status_code == second.get(reverse(CHARTER)).status_code == 200
    assert len(events_of(person)) == 1


def test_a_wizard_session_opens_the_wizard_and_public_pages_only(client):
    """SES-03: of every address of the URLconf, those of agents included."""
    begin(client, pending_account())
    pages = {route: client.get(route.path()) for route in routes()}
    # Before the charter is accepted no later step is open, nor the end.
    open_pages = {route.name for route, page in pages.items() if page.status_code in (200, 204)}
    assert open_pages <= PUBLIC - {*STEPS[1:], DONE}
    assert CHARTER in open_pages
    for route, page in pages.items():
        assert not route.is_closed or page.get("Location", "").startswith(reverse("login")), route.name


def test_the_link_of_another_account_ends_the_session_of_the_first(client):
    """SES-03: on a shared computer; a logged-in user is logged out."""
    first, second = pending_account(), pending_account()
    wizard.begun_until(client, first, MAILBOX)
    before = wizard.everything_about(first)
    client.get(wizard.link_to(second))
    assert answer(client, MAILBOX, wizard.forward_to("voleur@exemple.net"))["Location"] == reverse(START)
    assert wizard.everything_about(first) == before
    assert first.full_name not in client.get(reverse(START)).content.decode()
    browser = log_in(Client(), active_account())
    assert is_signed_in(browser)
    browser.get(wizard.link_to(second))
    assert not is_signed_in(browser)


def test_a_form_left_open_by_the_first_user_does_not_answer_for_the_second():
    """SES-03, SES-07: the CSRF token changes with the account; another tab of the same user goes on."""
    browser, first, second = Client(enforce_csrf_checks=True), pending_account(), pending_account()

    def begin_with_token(person: Account) -> str:
        page = browser.get(wizard.link_to(person), follow=True).content.decode()
        browser.post(reverse(START), {"csrfmiddlewaretoken": wizard.csrf_of(page)})
        return wizard.csrf_of(browser.get(reverse(CHARTER)).content.decode())

    charter = {"csrfmiddlewaretoken": begin_with_token(first), **wizard.charter_answer()}
    browser.get(wizard.link_to(first))
    assert browser.post(reverse(CHARTER), charter).status_code == 302
    begin_with_token(second)
    assert browser.post(reverse(CHARTER), charter).status_code == 403
    assert not second.charter_acceptances.exists()


def test_a_wizard_session_is_idle_for_an_hour_and_lasts_eight_at_most(client, time_machine):
    """SES-04: reading extends the idle limit, not the absolute one; the same link resumes; the session holds no answer."""
    person, start = pending_account(), timezone.now()

    def status_after(**time: int) -> int:
        time_machine.move_to(start + timedelta(**time), tick=False)
        return client.get(reverse(DIRECTORY)).status_code

    time_machine.move_to(start, tick=False)
    wizard.begun_until(client, person, DIRECTORY)
    assert set(client.session["activation"]) == set(WizardSession.__annotations__)
    assert status_after(minutes=59, seconds=59) == 200
    assert status_after(hours=2) == 410
    lost = answer(client, DIRECTORY)
    assert (lost.status_code, "Vos réponses sont gardées" in lost.content.decode()) == (410, True)
    assert not person.directory_consents.exists()
    assert "Reprenons à l’étape 3" in client.get(wizard.link_to(person), follow=True).content.decode()
    client.post(reverse(START))
    start += timedelta(hours=2)
    for half_hours in range(1, 16):
        time_machine.move_to(start + timedelta(minutes=30 * half_hours), tick=False)
        assert client.get(reverse(KEEP_ALIVE)).status_code == 204, half_hours
    assert (status_after(hours=8, seconds=-1), status_after(hours=8)) == (200, 410)
    assert client.get(reverse(KEEP_ALIVE)).status_code == 410
    erased = pending_account()
    client.get(wizard.link_to(erased))
    erased.delete()
    assert client.get(reverse(START)).status_code == 410


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walk=WALKS)
@example(walk=STRAIGHT)
def test_no_order_of_clicks_breaks_an_invariant(walk):
    """SES-02: in two browsers; never a 5xx (the client would raise it); active means all answers, and one mail."""
    person, browsers = pending_account(), (Client(), Client())
    for which, name in walk:
        ACTS[name](browsers[which], person)
    assert_nothing_is_half_done()
    person = reloaded(person)
    assert person.is_active or walk != STRAIGHT
    assert person.activated_at is None or hasattr(person, "redirection")
    assert CharterAcceptance.objects.filter(account=person).count() <= 1
    assert Message.objects.filter(person=person, kind=Kind.REDIRECTION_VERIFICATION).count() <= 3


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """TOK-07, SES-02: two browsers at the same instant, on a real PostgreSQL: every race has one outcome."""

    @pytest.fixture(autouse=True)
    def check_invariants(self, transactional_db) -> Iterator[None]:
        """SES-02, LOG-03"""
        yield
        assert_nothing_is_half_done()

    def two_browsers_at(self, person: Account, step: str) -> list[Client]:
        wizard.answered_until(person, step)
        browsers = [Client(raise_request_exception=False), Client(raise_request_exception=False)]
        for browser in browsers:
            begin(browser, person)
        return browsers

    def test_two_passwords_at_the_same_instant_make_one_activation(self):
        """TOK-07: in two browsers, or two tabs of one; one mail, one event, and the stored hash is the winner's."""
        for round_ in range(ROUNDS):
            person = pending_account()
            browsers = self.two_browsers_at(person, PASSWORD)
            if round_ % 2:
                browsers[1].cookies = browsers[0].cookies.copy()
            responses = together(
                lambda: answer(browsers[0], PASSWORD, {"password": PASSWORDS[0]}),
                lambda: answer(browsers[1], PASSWORD, {"password": PASSWORDS[1]}),
            )
            assert sorted(response.status_code for response in responses) in ([302, 302], [302, 410])
            winners = [response.get("Location") == reverse(DONE) for response in responses]
            assert (winners.count(True), reloaded(person).check_password(PASSWORDS[winners.index(True)])) == (1, True)
            assert events_of(person).count(Event.USER_ACTIVATED) == 1
            assert Message.objects.filter(person=person, kind=Kind.ACCOUNT_ACTIVATED).count() == 1

    def test_a_step_that_waited_for_what_ends_its_session_sees_it(self):
        """TOK-07, HLP-01: what the step reads after the wait is the account as it is then."""
        for end in (lock, lambda person: dispute_recovery_address(account=person)):
            person = pending_account()
            browser, _other = self.two_browsers_at(person, PASSWORD)
            with ThreadPoolExecutor(1) as threads:
                with transaction.atomic():
                    end(person)
                    sent = threads.submit(lambda: (answer(browser, PASSWORD), connection.close())[0])
                    wait_until_blocked()
                assert sent.result(timeout=10).status_code == 410
            assert not reloaded(person).has_usable_password()
