"""Sessions: their key, their limits, the list of them, and that an ended one is over at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import BadRequest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from accounts.auth import sessions
from accounts.auth.session_backend import SessionStore
from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from accounts.tasks import forget_ended_sessions
from accounts.views.account import AccountView
from accounts.views.password import ChangePasswordView
from core import rate_limits
from journal.events import Event
from tests.agents.signed_in import verified_agent
from tests.concurrency import wait_until_blocked
from tests.factories import A_GOOD_PASSWORD, active_account, reloaded
from tests.signing_in import browser_of, is_signed_in, submit_login

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "une-phrase-du-bureau-bleu"
CHANGE = {"current_password": A_GOOD_PASSWORD, "password": NEW_PASSWORD}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
ANDROID = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
BUTTONS = ("logout", "account-sessions-end-others", "account-sessions-end-all")


def key_of(browser: Client) -> str:
    return browser.cookies["sessionid"].value


def client_with(key: str) -> Client:
    browser = Client()
    browser.cookies["sessionid"] = key
    return browser


def handle_of(browser: Client) -> str:
    return Session.objects.get(session_key=key_of(browser)).handle


def end(browser: Client, handle: str):
    return browser.post(reverse("account-session-end", args=[handle]), follow=True)


def listed_sessions(browser: Client) -> list[Session]:
    return browser.get(reverse("account-sessions")).context["sessions"]


@pytest.fixture
def move_clock(time_machine) -> Callable[..., None]:
    """Move to so much time after the start of the test."""
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    return lambda **passed: time_machine.move_to(start + timedelta(**passed), tick=False)


class TestItsKey:
    def test_changes_at_login_and_at_a_change_of_password(self, client, person):
        """SES-01: a key planted beforehand stays anonymous, and the anonymous session's data is dropped."""
        client.post(reverse("forgotten-password"), {"login": "quelqu.un"})
        keys = [key_of(client)]
        submit_login(client, person)
        keys.append(key_of(client))
        assert "login_asked" not in client.session
        client.post(reverse("account-password"), CHANGE)
        keys.append(key_of(client))

        assert len(set(keys)) == 3
        assert [is_signed_in(client_with(key)) for key in keys] == [False, False, True]

    def test_is_never_adopted_from_a_cookie(self, person):
        """SES-01"""
        for key in ("a" * 32, "../../x\x00", "' OR '1'='1", "x" * 5000):
            browser = client_with(key)

            submit_login(browser, person)

            assert key_of(browser) != key
            assert is_signed_in(browser)

    def test_is_not_shown_in_the_list_of_sessions(self, browser, person):
        """SES-01: the handle shown there opens no session."""
        other = browser_of(person)

        page = browser.get(reverse("account-sessions")).content.decode()

        assert key_of(browser) not in page
        assert key_of(other) not in page
        assert not is_signed_in(client_with(handle_of(other)))


class TestItsLength:
    def test_follows_the_idle_setting_to_the_second(self, settings, move_clock, person):
        """SES-04"""
        for minutes in (30, 10):
            settings.SESSION_IDLE_SECONDS = minutes * 60
            for second, goes_on in ((-1, True), (0, False)):
                move_clock()
                browser = browser_of(person)
                move_clock(minutes=minutes, seconds=second)

                assert is_signed_in(browser) is goes_on, (minutes, second)

    def test_is_eight_hours_at_most_whatever_happens_in_it(self, move_clock, person):
        """SES-04: neither activity nor a change of password extends the absolute limit."""
        busy = browser_of(person)
        for minutes in range(20, 8 * 60, 20):
            move_clock(minutes=minutes)
            assert is_signed_in(busy), minutes
        busy.post(reverse("account-password"), CHANGE)

        move_clock(hours=8, seconds=-1)
        assert is_signed_in(busy)
        move_clock(hours=8)
        assert not is_signed_in(busy)

    def test_is_extended_by_the_keep_alive_button(self, move_clock, browser):
        """A11Y-06"""
        move_clock(minutes=29)
        assert browser.get(reverse("account-keep-alive")).status_code == 204
        move_clock(minutes=58)

        assert is_signed_in(browser)

    def test_is_enforced_on_the_server_whatever_the_cookie_says(self, move_clock, browser):
        """SES-04: an old cookie opens nothing, and the task deletes its row."""
        move_clock(days=400)

        assert not is_signed_in(browser)
        forget_ended_sessions()
        assert not Session.objects.exists()

    def test_ends_with_a_message_and_login_leads_back_to_the_same_page(self, move_clock, browser, person):
        """SES-04, A11Y-06"""
        wanted = f"{reverse('account-history')}?page=2"
        move_clock(minutes=31)

        redirected = browser.get(wanted)
        page = browser.get(redirected["Location"]).content.decode()
        found = page.partition('name="next" value="')[2].partition('"')[0]
        back = submit_login(browser, person, next=unescape(found))

        assert "Votre session est terminée, pour votre sécurité" in page
        assert back["Location"] == wanted
        assert "Votre session est terminée" not in browser.get(wanted).content.decode()
        move_clock(hours=2)
        assert browser.get(reverse("help")).status_code == 200

    def test_leads_a_button_pressed_too_late_to_the_account_page(self, move_clock, person):
        """SES-04: login does not lead back to an address that only takes a POST."""
        for name in BUTTONS:
            move_clock()
            browser = browser_of(person)
            move_clock(minutes=31)

            redirected = browser.post(reverse(name))
            back = browser.post(redirected["Location"], {"login": person.login, "password": A_GOOD_PASSWORD})

            assert redirected["Location"].startswith(reverse("login")), name
            assert back["Location"] == reverse("account"), name


class TestTheListOfThem:
    def test_shows_device_and_last_use_of_ones_own_and_marks_this_one(self, move_clock, person):
        browser_of(active_account())
        phone, office = Client(headers={"User-Agent": ANDROID}), Client(headers={"User-Agent": FIREFOX})
        submit_login(phone, person)
        move_clock(minutes=20)
        submit_login(office, person)

        page = office.get(reverse("account-sessions")).content.decode()

        assert [session.device for session in listed_sessions(office)] == ["Firefox (Linux)", "Chrome (Android)"]
        assert page.index("Firefox (Linux)") < page.index("Ici") < page.index("Chrome (Android)")
        assert page.count(reverse("account-session-end", args=[handle_of(phone)])) == 1
        assert handle_of(office) not in page

    def test_leaves_out_an_expired_session_and_says_the_limit_of_the_settings(self, settings, move_clock, person):
        """SES-04"""
        settings.SESSION_IDLE_SECONDS = 20 * 60
        browser_of(person)
        move_clock(minutes=21)

        answer = browser_of(person).get(reverse("account-sessions"))

        page = answer.content.decode().replace("\N{NO-BREAK SPACE}", " ")
        assert len(answer.context["sessions"]) == 1
        assert reverse("account-sessions-end-others") not in page
        assert "20 minutes" in page
        assert "30 minutes" not in page

    def test_applies_the_shorter_limits_of_a_second_factor(self, move_clock):
        """SES-04: fifteen minutes idle, four hours in all, once an agent has given a code."""
        for minutes, shown in ((14, 2), (16, 1)):
            move_clock()
            agent, browser = verified_agent()
            move_clock(minutes=minutes)
            assert len(listed_sessions(browser_of(agent))) == shown, minutes
            assert is_signed_in(browser) == (shown == 2), minutes

        move_clock()
        agent, browser = verified_agent()
        for times in range(1, 25):
            move_clock(minutes=10 * times)
            browser.get(reverse("account"))
        assert len(listed_sessions(browser_of(agent))) == 1


class TestEnding:
    def test_one_of_them(self, person):
        """SES-05: at once, the others go on; a second time says that it had ended."""
        here, there, elsewhere = (browser_of(person) for _ in range(3))
        handle = handle_of(there)

        assert "La session est fermée." in end(here, handle).content.decode()
        assert [is_signed_in(browser) for browser in (here, there, elsewhere)] == [True, False, True]
        assert "déjà fermée" in end(here, handle).content.decode()
        assert person.journal.filter(event=Event.SESSION_ENDED).count() == 1

    def test_that_of_another_account_is_not_found(self, browser):
        """SES-05: the same answer as for one that had ended already."""
        other = active_account()
        theirs = browser_of(other)

        answer = end(browser, handle_of(theirs))

        assert answer.status_code == 404
        assert "déjà fermée" in answer.content.decode()
        assert is_signed_in(theirs)
        assert not other.journal.filter(event=Event.SESSION_ENDED).exists()

    def test_the_others(self, browser, person):
        """SES-05"""
        others = [browser_of(person), browser_of(person)]
        address = reverse("account-sessions-end-others")

        page = browser.post(address, follow=True).content.decode()

        assert "2 sessions fermées." in page
        assert is_signed_in(browser)
        assert not any(map(is_signed_in, others))
        assert "Aucune autre session n’était ouverte." in browser.post(address, follow=True).content.decode()
        assert person.journal.get(event=Event.SESSIONS_ENDED).details["sessions"] == 2

    def test_all_of_them_here_too(self, browser, person):
        """SES-05: the old cookies open nothing any more; another account's session goes on."""
        keys = [key_of(browser), key_of(browser_of(person))]
        other = browser_of(active_account())

        answer = browser.post(reverse("account-sessions-end-all"))

        assert answer["Location"] == reverse("login")
        assert not any(is_signed_in(client_with(key)) for key in keys)
        assert not Session.objects.filter(account=person).exists()
        assert is_signed_in(other)

    def test_takes_a_post_with_a_csrf_token(self, browser, person):
        """SES-07: a GET of the address that ends one session, as after a change of language, shows the list."""
        there = browser_of(person)
        without_token = Client(enforce_csrf_checks=True)
        without_token.cookies = browser.cookies.copy()

        assert browser.get(reverse("account-session-end", args=[handle_of(there)])).status_code == 200
        for name in BUTTONS:
            assert browser.get(reverse(name)).status_code == 405, name
            assert without_token.post(reverse(name)).status_code == 403, name
        assert is_signed_in(browser)
        assert is_signed_in(there)

    def test_by_a_lock_deletes_the_rows(self, browser, person):
        """SES-05: unlocking the account must not revive them."""
        lock_account(account=person, reason=LockReason.PHISHING)

        assert not Session.objects.filter(account=person).exists()
        assert not is_signed_in(browser)

    def test_by_the_end_of_the_contract(self, browser, person):
        """SES-05: after the last day, without any task."""
        for days_ago, goes_on in ((0, True), (1, False)):
            Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=days_ago))

            assert is_signed_in(browser) == goes_on

    def test_by_logout_without_redis(self, monkeypatch, browser):
        """SES-05, AVL-01: sessions are not in Redis, so an outage cannot revive one."""
        key = key_of(browser)
        away = FixedWindowRateLimiter(RedisStorage("redis://127.0.0.1:1/0", socket_connect_timeout=0.5))
        monkeypatch.setattr(rate_limits, "_redis", lambda: away)
        monkeypatch.setattr(rate_limits._Redis, "unavailable_until", 0.0)

        assert browser.post(reverse("logout"))["Location"] == reverse("home")
        assert not is_signed_in(client_with(key))
        assert not Session.objects.filter(session_key=key).exists()


class TestEndingDuringARequest:
    def test_leaves_the_answer_alone_and_the_next_request_is_anonymous(self, monkeypatch, browser):
        """SES-05: no error, and no cookie that could overwrite a newer one."""
        get = AccountView.get

        def end_then_answer(self: AccountView, request, *args, **kwargs):
            answer = get(self, request, *args, **kwargs)
            request.session["noted"] = "meanwhile"
            Session.objects.filter(session_key=request.session.session_key).delete()
            return answer

        monkeypatch.setattr(AccountView, "get", end_then_answer)
        answer = browser.get(reverse("account"))

        # Why the middleware exists: Django answers 400.
        assert issubclass(SessionInterrupted, BadRequest)
        assert answer.status_code == 200
        assert "sessionid" not in answer.cookies
        assert "Cookie" in answer["Vary"]
        assert browser.get(reverse("account"))["Location"].startswith(reverse("login"))
        assert not Session.objects.exists()

    def test_cannot_be_undone_by_a_new_key(self, browser, person):
        """SES-05: a thief may open links, which change the key, at any time."""
        store = SessionStore(key_of(browser))
        assert SESSION_KEY in store
        sessions.end_sessions(account=person)

        store.cycle_key()

        assert SESSION_KEY not in store
        assert not Session.objects.filter(account=person).exists()

    def test_does_not_stop_an_anonymous_session_from_cycling_its_key_twice(self, client):
        """Two clicks on one link: the second finds the data that the first has put away."""
        client.post(reverse("forgotten-password"), {"login": "quelqu.un"})
        first, second = SessionStore(key_of(client)), SessionStore(key_of(client))
        assert first["login_asked"] == second["login_asked"]

        first.cycle_key()
        second.cycle_key()

        assert "login_asked" in second
        assert len({first.session_key, second.session_key}) == 2

    def test_lets_a_change_of_password_succeed_without_signing_in(self, monkeypatch, browser, person):
        """SES-05, SES-08: the form carried the present password; the session stays ended."""
        form_valid = ChangePasswordView.form_valid

        def end_then_change(self: ChangePasswordView, form):
            sessions.end_sessions(account=person)
            return form_valid(self, form)

        monkeypatch.setattr(ChangePasswordView, "form_valid", end_then_change)

        assert browser.post(reverse("account-password"), CHANGE).status_code == 302
        assert reloaded(person).check_password(NEW_PASSWORD)
        assert not is_signed_in(browser)


@pytest.mark.django_db(transaction=True)
def test_a_new_key_and_the_end_of_the_sessions_wait_for_each_other():
    """SES-05: whichever takes the account's lock first, no session is left."""
    for key_first in (False, True):
        person = active_account()
        store = SessionStore(key_of(browser_of(person)))
        assert SESSION_KEY in store
        acts = [lambda person=person: sessions.end_sessions(account=person), store.cycle_key]
        first, second = reversed(acts) if key_first else acts

        with ThreadPoolExecutor(1) as threads:
            with transaction.atomic():
                first()
                waiting = threads.submit(lambda act=second: (act(), connection.close()))
                wait_until_blocked()
            waiting.result(timeout=10)

        assert not Session.objects.filter(account=person).exists(), key_first
