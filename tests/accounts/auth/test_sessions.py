"""Sessions: their key, their limits, the list of them, and that an ended one is over at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth import SESSION_KEY
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.auth import sessions
from accounts.auth.session_backend import SessionStore
from accounts.models import Session
from accounts.tasks import forget_ended_sessions
from accounts.views.account import AccountView
from activation.first_connection.views import LINK_ASKED
from journal.events import Event
from tests.concurrency import wait_until_blocked
from tests.factories import A_GOOD_PASSWORD, active_account, events_of
from tests.signing_in import browser_of, is_signed_in, submit_login

pytestmark = pytest.mark.django_db

CHANGE = {"current_password": A_GOOD_PASSWORD, "password": "une-phrase-du-bureau-bleu"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
ANDROID = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"


def key_of(browser: Client) -> str:
    return browser.cookies["sessionid"].value


def client_with(key: str) -> Client:
    browser = Client()
    browser.cookies["sessionid"] = key
    return browser


def handle_of(browser: Client) -> str:
    return Session.objects.get(session_key=key_of(browser)).handle


@pytest.fixture
def move_clock(time_machine) -> Callable[..., None]:
    """Move to so much time after the start of the test."""
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    return lambda **passed: time_machine.move_to(start + timedelta(**passed), tick=False)


def test_the_key_changes_at_login_and_at_a_change_of_password(client, person):
    """SES-01: the anonymous session's data is dropped."""
    client.post(reverse("forgotten-password"), {"login": "quelqu.un"})
    keys = [key_of(client)]
    submit_login(client, person)
    keys.append(key_of(client))
    assert LINK_ASKED not in client.session
    client.post(reverse("account-password"), CHANGE)
    keys.append(key_of(client))
    assert len(set(keys)) == 3
    assert [is_signed_in(client_with(key)) for key in keys] == [False, False, True]


class TestItsLength:
    def test_follows_the_idle_setting_to_the_second(self, settings, move_clock, person):
        """SES-04, A11Y-06: on the server, whatever the cookie says; the button that extends it counts as activity."""
        for minutes in (30, 10):
            settings.SESSION_IDLE_SECONDS = minutes * 60
            for second, goes_on in ((-1, True), (0, False)):
                move_clock()
                browser, extended = browser_of(person), browser_of(person)
                move_clock(minutes=minutes - 1)
                assert extended.get(reverse("account-keep-alive")).status_code == 204
                move_clock(minutes=minutes, seconds=second)
                assert is_signed_in(browser) is goes_on, (minutes, second)
                assert is_signed_in(extended)
        move_clock(days=400)
        forget_ended_sessions()
        assert not Session.objects.exists()

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

    def test_ends_with_a_message_and_login_leads_back_to_the_same_page(self, move_clock, browser, person):
        """SES-04, A11Y-06"""
        wanted = f"{reverse('account-history')}?page=2"
        move_clock(minutes=31)
        page = browser.get(wanted, follow=True).content.decode()
        assert "Votre session est terminée, pour votre sécurité" in page
        found = page.partition('name="next" value="')[2].partition('"')[0]
        assert submit_login(browser, person, next=unescape(found))["Location"] == wanted
        assert "Votre session est terminée" not in browser.get(wanted).content.decode()
        move_clock(hours=2)
        assert browser.get(reverse("help")).status_code == 200


def test_the_list_shows_device_and_last_use_of_ones_own_and_marks_this_one(settings, move_clock, person):
    """SES-01, SES-04: no key, no expired session; the handle shown there opens none."""
    browser_of(active_account())
    expired, phone, office = (Client(headers={"User-Agent": agent}) for agent in (ANDROID, ANDROID, FIREFOX))
    settings.SESSION_IDLE_SECONDS = 20 * 60
    submit_login(expired, person)
    move_clock(minutes=15)
    submit_login(phone, person)
    move_clock(minutes=25)
    submit_login(office, person)
    answer = office.get(reverse("account-sessions"))
    page = answer.content.decode()
    assert [session.device for session in answer.context["sessions"]] == ["Firefox (Linux)", "Chrome (Android)"]
    assert page.index("Firefox (Linux)") < page.index("Session actuelle") < page.index("Chrome (Android)")
    assert page.count(reverse("account-session-end", args=[handle_of(phone)])) == 1
    assert handle_of(office) not in page
    assert not any(key_of(browser) in page for browser in (expired, phone, office))
    assert not is_signed_in(client_with(handle_of(phone)))


class TestEnding:
    def test_one_of_them(self, person):
        """SES-05: at once, the others go on; one that has ended and another account's get the same answer."""
        other = active_account()
        here, there, elsewhere, theirs = (*(browser_of(person) for _ in range(3)), browser_of(other))
        for handle, status in ((handle_of(there), 200), (handle_of(there), 404), (handle_of(theirs), 404)):
            answer = here.post(reverse("account-session-end", args=[handle]), follow=True)
            assert answer.status_code == status
            assert {200: "La session est fermée.", 404: "déjà fermée"}[status] in answer.content.decode()
        assert [is_signed_in(browser) for browser in (here, there, elsewhere, theirs)] == [True, False, True, True]
        assert [events_of(account).count(Event.SESSION_ENDED) for account in (person, other)] == [1, 0]

    def test_the_others_then_all_of_them_here_too(self, browser, person):
        """SES-05: another account's session goes on."""
        others, theirs = [browser_of(person), browser_of(person)], browser_of(active_account())
        for _ in range(2):
            assert browser.post(reverse("account-sessions-end-others")).status_code == 302
            assert [is_signed_in(one) for one in (browser, *others)] == [True, False, False]
        assert person.journal.get(event=Event.SESSIONS_ENDED).details["sessions"] == 2
        keys = [key_of(browser), key_of(browser_of(person))]
        assert browser.post(reverse("account-sessions-end-all"))["Location"] == reverse("login")
        assert not any(is_signed_in(client_with(key)) for key in keys)
        assert is_signed_in(theirs)


class TestEndingDuringARequest:
    def test_leaves_the_answer_alone_and_the_next_request_is_anonymous(self, monkeypatch, browser):
        """SES-05: no error 400, as Django would answer, and no cookie that could overwrite a newer one."""
        get = AccountView.get

        def end_then_answer(self: AccountView, request, *args, **kwargs):
            answer = get(self, request, *args, **kwargs)
            request.session["noted"] = "meanwhile"
            Session.objects.filter(session_key=request.session.session_key).delete()
            return answer

        monkeypatch.setattr(AccountView, "get", end_then_answer)
        answer = browser.get(reverse("account"))
        assert answer.status_code == 200
        assert "sessionid" not in answer.cookies
        assert "Cookie" in answer["Vary"]
        assert browser.get(reverse("account"))["Location"].startswith(reverse("login"))
        assert not Session.objects.exists()

    def test_does_not_stop_an_anonymous_session_from_cycling_its_key_twice(self, client):
        """Two clicks on one link: the second finds the data that the first has put away."""
        client.post(reverse("forgotten-password"), {"login": "quelqu.un"})
        first, second = SessionStore(key_of(client)), SessionStore(key_of(client))
        assert first[LINK_ASKED] == second[LINK_ASKED]
        first.cycle_key()
        second.cycle_key()
        assert LINK_ASKED in second
        assert first.session_key != second.session_key

    @pytest.mark.django_db(transaction=True)
    def test_waits_for_a_new_key_and_a_new_key_for_it(self):
        """SES-05: whichever takes the account's lock first, no session is left, a thief's neither."""
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
            assert key_first or SESSION_KEY not in store
