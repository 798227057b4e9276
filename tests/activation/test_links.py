"""The links that activate an account, and reactivate it after a lock (HLP-05, HLP-06): who gets one from the page
« 1ère connexion », what revokes them, what their pages show and never show. What is true of links of every purpose is
proven in tests/accounts/test_links.py; the pages that choose another password are those of a reset."""

from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, State
from accounts.models import Account
from activation.enums import LinkRequestKind
from activation.first_connection import views
from activation.first_connection.services import LATE_AFTER, answer_link_request, answer_waiting_requests
from activation.models import LinkRequest
from activation.services import request_link
from core.rate_limits import PublicLimit, RateLimit, RateLimitExceeded
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from mailrouting.models import Redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from outbox.services import queue_email
from tests.activation import states
from tests.activation.wizard import client as wizard
from tests.activation.wizard.client import PASSWORD, activate, answer, link_to
from tests.concurrency import together
from tests.factories import A_GOOD_PASSWORD, active_account, events_of, pending_account, reloaded
from tests.headers import assert_headers
from tests.locking import reactivation_path, unlock, unlocked_account
from tests.mail_delivery import link_in, text_of
from tests.mailrouting.forwarding import change, link_of
from tests.normalised import Answer, normalised_answer
from tests.signing_in import submit_login

pytestmark = pytest.mark.django_db

NEW_LINK, REACTIVATION, NEW_REACTIVATION = "activation-new-link", "reactivation", "reactivation-new-link"
FORM, FORM_ANSWER = "first-connection", "first-connection-answer"
NEW_PASSWORD = "une-phrase-du-bureau-bleu"
UNKNOWN_LOGIN = "personne.du.tout@univ-exemple.fr"
MAILED = {
    states.pending: Kind.NEW_LINK,
    states.sharing_a_recovery_address: Kind.NEW_LINK,
    states.active: Kind.ALREADY_ACTIVE,
    states.locked: Kind.LOCKED,
    states.locked_before_activation: Kind.LOCKED,
    states.to_reactivate: Kind.REACTIVATION,
}
REVOKING = (states.lock_and_release, states.correct_the_address, states.dispute_the_address, states.leave)
EXPIRED, USED, UNKNOWN = (410, "Il a expiré le"), (410, "déjà actif"), (404, "")


def days_ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


def opens(link: str) -> bool:
    return Client().get(link, follow=True).status_code == 200


def names_account(page: str, person: Account) -> bool:
    facts = (person.given_name, person.family_name, person.login, person.recovery_address, person.uid)
    return any(fact in page for fact in facts)


def ask(login: str, browser: Client | None = None, **fields: str) -> HttpResponse:
    return (browser or Client()).post(reverse(FORM), {"login": login, **fields})


def answers_for(login: str, **fields: str) -> tuple[Answer, Answer]:
    browser = Client()
    browser.get(reverse(FORM))
    redirected = ask(login, browser, **fields)
    return normalised_answer(redirected, login), normalised_answer(browser.get(reverse(FORM_ANSWER)), login)


def test_every_login_gets_the_same_answer():
    """ENU-01: status, headers, cookies and body; no address is shown, masked or not."""
    people = [make() for make in states.EVERY_STATE]
    [(redirected, page)] = {answers_for(person.login) for person in people}
    assert (redirected.status, page.status) == (302, 200)
    assert ("Si <b" in page.body, "***" in page.body) == (True, False)
    assert "Si un compte correspond à votre demande" in Client().get(reverse(FORM_ANSWER)).content.decode()


def test_every_login_costs_the_same_work():
    """ENU-03: the same statements, one row and no query on accounts: the worker looks for the account."""
    for make in states.EVERY_STATE:
        person, statements = make(), []
        for login in (person.login, UNKNOWN_LOGIN):
            with CaptureQueriesContext(connection) as captured:
                ask(login)
            statements.append([query["sql"].split(" ")[0] for query in captured])
            assert not any("accounts_account" in query["sql"] for query in captured), make
        assert statements[0] == statements[1], make
        assert LinkRequest.objects.filter(login=person.login).count() == 1, make


def test_the_state_decides_which_mail_is_sent(mail_delivery):
    """HLP-02, AVL-05: to the address on file, once; only a pending account gets an activation link; no lock ends."""
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
        for mail in mails:
            assert ("/activation/" in text_of(mail)) == (MAILED[make] == Kind.NEW_LINK), make
            assert ("/reactivation/" in text_of(mail)) == (make == states.to_reactivate), make
        if make in (states.locked, states.locked_before_activation):
            assert reloaded(person).state == State.LOCKED


def test_twenty_requests_get_twenty_equal_pages_and_three_mails(mail_delivery, time_machine):
    """ENU-05, TOK-07: all spellings share the quota of an hour; no link revokes another; the account's language."""
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    person = pending_account(given_name="Jean", family_name="Essai", language="en")
    spellings = ["jean.essai", "JEAN.ESSAI", "jean.essai@univ-exemple.fr", " Jean.Essai@UNIV-EXEMPLE.FR "]
    answers, yesterday = set(), link_to(person, built_at=days_ago(1))
    for number in range(20):
        browser = Client()
        ask(spellings[number % 4], browser)
        answers.add(normalised_answer(browser.get(reverse(FORM_ANSWER)), person.login))
        assert len(mail_delivery.deliver()) == min(number + 1, 3)
    assert (len(answers), LinkRequest.objects.waiting().count()) == (1, 0)
    assert events_of(person) == [Event.LINK_REQUESTED] * 3
    assert mail_delivery.last_mail()["Content-Language"] == "en"
    assert all(opens(link) for link in (yesterday, *map(link_in, mail_delivery.deliver())))
    for minutes, mails in ((59, 3), (60.1, 4)):
        time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
        ask(person.login)
        assert len(mail_delivery.deliver()) == mails, minutes


@pytest.mark.parametrize(("network", "accepted"), [("2001:db8:5:{:x}00::1", 60), ("2001:db8:{:x}::1", 501)])
def test_a_flood_slows_down_the_networks_it_comes_from_and_no_other(monkeypatch, settings, network, accepted):
    """ENU-06: from 84 /64 of one /48, and from as many /48, at a tenth of the rates; a campus and known browsers may ask on."""
    settings.CAMPUS_NETWORKS = ["203.0.113.0/28"]
    limits = PublicLimit(RateLimit("few-link-requests", "6/hour"), RateLimit("few-in-all", "500/hour"))
    monkeypatch.setattr(views, "LINK_REQUESTS", limits)
    known, campus = Client(REMOTE_ADDR="2001:db8:5::99"), Client(REMOTE_ADDR="203.0.113.9")
    submit_login(known, active_account())
    flood = [status_from(network.format(number), limits) for number in range(84) for _ in range(6)]
    assert (flood.count(302), flood[-1]) == (accepted, 429)
    refused = ask(pending_account().login, Client(REMOTE_ADDR=network.format(0)))
    assert (refused.status_code, 0 < int(refused["Retry-After"]) <= 3601) == (429, True)
    assert all(text in refused.content.decode() for text in ("Trop de demandes", reverse("help")))
    for quiet in (Client(REMOTE_ADDR="2001:db8:ffff::1"), Client(REMOTE_ADDR="198.51.100.8")):
        asked = [ask(UNKNOWN_LOGIN, quiet, website=trap).status_code for trap in ["robot"] * 7 + [""] * 3]
        assert asked == [302] * 10, "what the honeypot catches is not counted"
    assert [ask(UNKNOWN_LOGIN, browser).status_code for browser in (known, campus) * 5] == [302] * 10


def status_from(address: str, limit: PublicLimit) -> int:
    """What the view answers; thousands of requests would take minutes."""
    with use_request_context(RequestContext("web", address)), suppress(RateLimitExceeded):
        limit.hit()
        return 302
    return 429


def test_a_robot_that_fills_the_hidden_field_gets_the_same_page_and_no_mail(mail_delivery):
    """ENU-08: assistive technology and keyboards never meet the trap."""
    page = Client().get(reverse(FORM)).content.decode()
    trap = page.split('class="honeypot"')[1].split("</div>")[0]
    assert all(text in trap for text in ('aria-hidden="true"', 'tabindex="-1"', 'autocomplete="off"'))
    assert answers_for(pending_account().login, website="https://robot.example") == answers_for(UNKNOWN_LOGIN)
    assert mail_delivery.deliver() == []


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


@pytest.mark.django_db(transaction=True)
def test_two_workers_answer_one_request_once():
    """ENU-05, AVL-05"""
    for _ in range(4):
        person = pending_account()
        asked = request_link(login=person.login, wish=LinkRequestKind.FIRST_CONNECTION)
        answered = together(*[lambda: answer_link_request(request_id=asked.pk)] * 2)
        assert sum(message is not None for message in answered) == 1
        assert Message.objects.filter(person=person).count() == 1


def test_scanners_that_open_the_link_leave_it_as_it_was(client):
    """TOK-06: GET, HEAD and OPTIONS, then the user."""
    person = pending_account()
    link, before = link_to(person), wizard.everything_about(person)
    scanner = Client(headers={"User-Agent": "curl/8.9.1"})
    for ask in (scanner.get, scanner.get, scanner.head, scanner.options):
        assert ask(link, follow=True).status_code in (200, 405)
    assert wizard.everything_about(person) == before
    wizard.begun_until(client, person, PASSWORD)
    assert answer(client, PASSWORD)["Location"] == reverse("activation-done")


def test_the_secret_leaves_the_address_bar_at_once(client):
    """TOK-09, TOK-11: of an expired link too, and without its last slash. The form of the next page needs a referrer."""
    person = pending_account()
    for link, status in ((link_to(person), 200), (link_to(person, built_at=days_ago(3)), 410)):
        token = link.split("/")[-2]
        redirected = client.get(link)
        page = client.get(redirected["Location"])
        assert (redirected.status_code, redirected["Location"]) == (302, reverse("activation"))
        assert redirected["Referrer-Policy"] == "no-referrer"
        assert (page.status_code, page["Referrer-Policy"]) == (status, "same-origin")
        for response in (redirected, page):
            assert_headers(response)
            assert token not in response.content.decode()
        assert token not in str(client.session.items())
    assert client.get(link_to(person).rstrip("/"), follow=True).status_code == 200


@pytest.mark.parametrize(
    ("event", "answered"), [(activate, USED), (states.lock, EXPIRED), *((event, UNKNOWN) for event in REVOKING)]
)
def test_what_revokes_the_links_and_the_sessions_they_opened(client, event, answered):
    """TOK-07, TOK-10, HLP-01: every link, not only the last, and an open wizard; no page names the account."""
    person = pending_account()
    links = [link_to(person), link_to(person, built_at=days_ago(1))]
    assert all(opens(link) for link in links)
    wizard.begun_until(client, person, PASSWORD)
    event(person)
    before = wizard.everything_about(person)
    seen, sent = client.get(reverse(PASSWORD)), answer(client, PASSWORD, {"password": "une-autre-phrase-de-passe"})
    assert (seen.status_code, sent.status_code) == (410, 410)
    assert wizard.everything_about(person) == before
    for link in links:
        page = Client().get(link, follow=True)
        html = page.content.decode()
        assert (page.status_code, answered[1] in html) == (answered[0], True)
        assert answered != USED or reverse("login") in html
        assert not names_account(html + sent.content.decode(), person)


def test_an_expired_link_says_when_and_offers_another_by_one_button(client, mail_delivery):
    """TOK-10, HLP-02: neither page names the account, a link opened before is needed, and a lock is answered by mail."""
    person, locked = pending_account(), pending_account()
    assert client.post(reverse(NEW_LINK))["Location"] == reverse(FORM)
    assert not LinkRequest.objects.exists()
    page = client.get(link_to(person, built_at=days_ago(3)), follow=True)
    answered = client.post(reverse(NEW_LINK), follow=True)
    html = page.content.decode()
    assert (page.status_code, "Il a expiré le" in html, reverse(NEW_LINK) in html) == (410, True, True)
    assert answered.redirect_chain == [(reverse(FORM_ANSWER), 302)]
    assert not names_account(html + answered.content.decode(), person)
    assert "Nous vous envoyons un nouvel e-mail" in answered.content.decode()
    assert "orthographe" not in answered.content.decode()
    assert mail_delivery.last_mail()["To"] == person.recovery_address
    assert opens(mail_delivery.last_link())
    states.lock(locked)
    client.get(link_to(locked))
    client.post(reverse(NEW_LINK))
    mail = mail_delivery.last_mail()
    assert (mail["To"], "/activation/" in text_of(mail)) == (locked.recovery_address, False)
    assert Message.objects.latest("pk").kind == Kind.LOCKED


def test_every_other_bad_link_gets_one_same_page():
    """TOK-10: made up, cut, of another purpose, of a departed user, of an address that was corrected."""
    gone, corrected, good = pending_account(), pending_account(), link_to(pending_account())
    gone_link, corrected_link = link_to(gone), link_to(corrected)
    states.leave(gone)
    states.correct_the_address(corrected)
    other_purpose = link_of(change(active_account())).replace("/redirection/", "/activation/")
    bad = [gone_link, corrected_link, other_purpose, good[:-3] + "/", "/activation/abc/", good.lower()]
    [page] = {normalised_answer(Client().get(link), link) for link in bad}
    assert page.status == 404


def test_a_wrong_recipient_stops_the_mails_by_a_button(client, mail_delivery):
    """TOK-06, TOK-07: opening the page changes nothing; the button revokes the link, and no other mail leaves."""
    person = pending_account()
    link, before = link_to(person), wizard.everything_about(person)
    client.get(link)
    assert client.get(reverse("activation-not-me")).status_code == 200
    assert wizard.everything_about(person) == before
    assert client.post(reverse("activation-not-me")).status_code == 200
    assert reloaded(person).recovery_address_disputed_at is not None
    assert events_of(person) == [Event.RECOVERY_ADDRESS_DISPUTED]
    assert (client.get(reverse("activation")).status_code, client.get(link).status_code) == (410, 404)
    queue_email(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language=person.language)
    assert mail_delivery.deliver() == []


class TestReactivation:
    @pytest.fixture
    def person(self) -> Account:
        return unlocked_account()

    def opened(self, path: str) -> Client:
        browser = Client()
        answer = browser.get(path)
        assert (answer.status_code, answer["Location"]) == (302, reverse(REACTIVATION))
        return browser

    def choose(self, browser: Client, password: str = NEW_PASSWORD, **more: str) -> HttpResponse:
        return browser.post(reverse(REACTIVATION), {"password": password, **more})

    def use_another(self, person: Account) -> None:
        self.choose(self.opened(reactivation_path(person)))

    def test_only_the_new_password_opens_the_account_and_both_addresses_are_notified(self, mail_delivery):
        """HLP-05, HLP-06, PWD-03, PWD-06, LOG-01, ENU-07: the link logs no user in; earlier failures no longer count."""
        person = active_account()
        change(person, person.recovery_address)
        unlock(states.lock(person))
        for _ in range(5):
            assert submit_login(Client(), person).status_code == 200
        browser = self.opened(link_in(mail_delivery.last_mail()))
        page = browser.get(reverse(REACTIVATION)).content.decode()
        assert all(text in page for text in (person.recovery_address, "Un blocage supprime la redirection"))
        assert f'href="{reverse("assistance")}">Ce n’est plus la mienne</a>' in page
        for refused, more in ((person.login, {}), (NEW_PASSWORD, {"password2": "une autre phrase de passe"})):
            assert self.choose(browser, refused, **more).status_code == 200
        assert reloaded(person).state == State.TO_REACTIVATE
        assert self.choose(browser)["Location"] == reverse("reactivation-done")
        assert [browser.get(reverse(name)).status_code for name in ("reactivation-done", "account")] == [200, 302]
        entry = person.journal.latest("pk")
        assert (entry.event, entry.actor) == (Event.USER_REACTIVATED, person)
        logins = [submit_login(Client(), person, password).status_code for password in (NEW_PASSWORD, A_GOOD_PASSWORD)]
        assert logins == [302, 200]
        assert not Redirection.objects.in_force().filter(account=person).exists()
        notices = mail_delivery.deliver()[-2:]
        assert {mail["To"] for mail in notices} == {person.recovery_address, person.institutional_address}
        assert Client().get(link_in(notices[0]), follow=True).status_code == 200
        student = unlocked_account(category=Category.STUDENT)
        assert "Redirection" not in self.opened(reactivation_path(student)).get(reverse(REACTIVATION)).content.decode()

    def test_the_link_is_revoked_before_and_after_it_was_opened(self):
        """TOK-07, HLP-01, HLP-02: a revoked link sets no password."""
        for revoke, status in {states.lock: 410, self.use_another: 410, **dict.fromkeys(REVOKING, 404)}.items():
            person = unlocked_account()
            path = reactivation_path(person)
            browser = self.opened(path)
            revoke(person)
            before = reloaded(person).password
            page = Client().get(path, follow=True)
            assert (self.choose(browser).status_code, page.status_code) == (status, status), revoke
            assert reloaded(person).password == before
            assert revoke != self.use_another or f'href="{reverse("login")}"' in page.content.decode()

    def test_a_user_locked_again_learns_it_by_mail_not_from_the_page(self, person, mail_delivery):
        """HLP-02, ENU-01, TOK-10: the link looks expired; a reactivation mail that still waited is not sent."""
        path, browser = reactivation_path(person), Client()
        states.lock(person)
        mail_delivery.deliver()
        assert Message.objects.get(kind=Kind.REACTIVATION).status == Status.CANCELLED
        page = browser.get(path, follow=True).content.decode()
        assert ("bloqué" in page.replace(reverse("locked-help"), ""), names_account(page, person)) == (False, False)
        assert f'action="{reverse(NEW_REACTIVATION)}"' in page
        browser.post(reverse(NEW_REACTIVATION))
        assert "/reactivation/" not in text_of(mail_delivery.last_mail())
