"""Sessions: how they begin, how long they last, where they are listed, and that an ended one is over at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.exceptions import SessionInterrupted
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
from core import rate_limits as limits
from journal.events import Event
from tests.accounts.recovery.recovering import browser_of, fresh
from tests.activation.wizard.test_concurrency import wait_until_somebody_waits_for_us
from tests.agents.signed_in import inside
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.fuzz import N

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "une-phrase-du-bureau-bleu"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
ANDROID = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"


def is_signed_in(browser: Client) -> bool:
    return browser.get(reverse("account")).status_code == 200


def key_of(browser: Client) -> str:
    return browser.cookies["sessionid"].value


def replayed(key: str) -> Client:
    """A browser with a cookie that was noted down."""
    browser = Client()
    browser.cookies["sessionid"] = key
    return browser


def handle_of(browser: Client) -> str:
    return Session.objects.get(session_key=key_of(browser)).handle


def end(browser: Client, handle: str):
    return browser.post(reverse("account-session-end", args=[handle]), follow=True)


@pytest.fixture
def person() -> Account:
    return active_account()


class TestItsKey:
    def test_changes_at_sign_in_and_at_a_change_of_password(self, client, person):
        """SES-01"""
        client.post(reverse("forgotten-password"), {"login": "quelqu.un"})
        keys = [key_of(client)]
        client.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})
        keys.append(key_of(client))
        client.post(reverse("account-password"), {"current_password": A_GOOD_PASSWORD, "password": NEW_PASSWORD})
        keys.append(key_of(client))

        assert len(set(keys)) == 3
        assert is_signed_in(client)
        assert not any(is_signed_in(replayed(key)) for key in keys[:2])

    def test_planted_beforehand_is_worthless(self, person):
        """SES-01: whoever planted it stays anonymous, and what was in it is not carried over."""
        attacker = Client()
        attacker.post(reverse("forgotten-password"), {"login": "quelqu.un"})
        victim = replayed(key_of(attacker))

        victim.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})

        assert is_signed_in(victim)
        assert "login_asked" not in victim.session
        assert not is_signed_in(attacker)

    @pytest.mark.parametrize("key", ["a" * 32, "../../x\x00", "' OR '1'='1", "x" * 5000])
    def test_made_up_is_never_adopted(self, person, key):
        """SES-01"""
        browser = replayed(key)

        browser.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})

        assert key_of(browser) != key
        assert is_signed_in(browser)

    def test_is_shown_nowhere(self, person):
        """SES-01: the page of open sessions calls them by something that opens nothing."""
        browser, other = browser_of(person), browser_of(person)

        page = browser.get(reverse("account-sessions")).content.decode()

        assert key_of(browser) not in page
        assert key_of(other) not in page
        assert not is_signed_in(replayed(handle_of(other)))


class TestItsLength:
    @pytest.mark.parametrize(
        ("minutes", "second", "goes_on"), [(30, -1, True), (30, 0, False), (10, -1, True), (10, 0, False)]
    )
    def test_it_waits_as_long_as_the_setting_says(self, settings, time_machine, person, minutes, second, goes_on):
        """SES-04: SESSION_IDLE_MINUTES, counted by the server."""
        settings.SESSION_IDLE_SECONDS = minutes * 60
        start = timezone.now()
        time_machine.move_to(start, tick=False)
        browser = browser_of(person)

        time_machine.move_to(start + timedelta(minutes=minutes, seconds=second), tick=False)

        assert is_signed_in(browser) is goes_on

    def test_each_use_makes_it_wait_again_but_it_lasts_eight_hours_at_most(self, time_machine, person):
        """SES-04: activity never extends the absolute limit."""
        start = timezone.now()
        time_machine.move_to(start, tick=False)
        browser = browser_of(person)
        for minutes in range(20, 8 * 60, 20):
            time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
            assert is_signed_in(browser), minutes

        time_machine.move_to(start + timedelta(hours=8, seconds=-1), tick=False)
        before = is_signed_in(browser)
        time_machine.move_to(start + timedelta(hours=8), tick=False)

        assert before
        assert not is_signed_in(browser)

    def test_a_change_of_password_does_not_make_it_last_longer(self, time_machine, person):
        """SES-04"""
        start = timezone.now()
        time_machine.move_to(start, tick=False)
        browser = browser_of(person)
        for minutes in range(25, 8 * 60, 25):
            time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
            is_signed_in(browser)
        browser.post(reverse("account-password"), {"current_password": A_GOOD_PASSWORD, "password": NEW_PASSWORD})
        assert is_signed_in(browser)

        time_machine.move_to(start + timedelta(hours=8), tick=False)

        assert not is_signed_in(browser)

    def test_the_button_that_says_one_is_still_there_counts_as_use(self, time_machine, person):
        """A11Y-06"""
        start = timezone.now()
        time_machine.move_to(start, tick=False)
        browser = browser_of(person)
        time_machine.move_to(start + timedelta(minutes=29), tick=False)
        assert browser.get(reverse("account-keep-alive")).status_code == 204

        time_machine.move_to(start + timedelta(minutes=58), tick=False)

        assert is_signed_in(browser)

    def test_its_cookie_outlives_no_session_on_the_server(self, time_machine, person):
        """SES-04: a cookie kept by hand for years opens nothing; nor does its row, which is tidied away."""
        browser = browser_of(person)
        key = key_of(browser)

        time_machine.move_to(timezone.now() + timedelta(days=400), tick=False)

        assert not is_signed_in(replayed(key))
        forget_ended_sessions()
        assert not Session.objects.exists()

    def test_once_it_is_over_a_kind_word_and_back_to_the_same_page(self, time_machine, person):
        """SES-04, A11Y-06"""
        browser = browser_of(person)
        wanted = f"{reverse('account-history')}?page=2"
        time_machine.move_to(timezone.now() + timedelta(minutes=31))

        led = browser.get(wanted)
        page = browser.get(led["Location"]).content.decode()
        found = page.partition('name="next" value="')[2].partition('"')[0]
        back = browser.post(
            reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD, "next": unescape(found)}
        )

        assert "Votre session est terminée, pour votre sécurité" in page
        assert back["Location"] == wanted
        assert "Votre session est terminée" not in browser.get(wanted).content.decode()

    @pytest.mark.parametrize("name", ["logout", "account-sessions-end-others", "account-sessions-end-all"])
    def test_a_button_pressed_too_late_leads_to_the_account_and_not_to_an_error(self, time_machine, person, name):
        """SES-04: what a button does is no page, so nobody is led back to it."""
        browser = browser_of(person)
        time_machine.move_to(timezone.now() + timedelta(minutes=31))

        led = browser.post(reverse(name))
        back = browser.post(led["Location"], {"login": person.login, "password": A_GOOD_PASSWORD})

        assert led["Location"].startswith(reverse("login"))
        assert back["Location"] == reverse("account")

    def test_the_public_pages_stay_open_to_somebody_whose_session_is_over(self, time_machine, person):
        browser = browser_of(person)
        time_machine.move_to(timezone.now() + timedelta(minutes=31))

        assert browser.get(reverse("help")).status_code == 200
        assert not is_signed_in(browser)


class TestTheListOfThem:
    def test_says_on_which_device_since_when_and_marks_this_one(self, time_machine, person):
        """Where one is signed in: browser and system, last use, and which one is here."""
        start = timezone.now()
        time_machine.move_to(start, tick=False)
        phone = Client(headers={"User-Agent": ANDROID})
        phone.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})
        time_machine.move_to(start + timedelta(minutes=20), tick=False)
        office = Client(headers={"User-Agent": FIREFOX})
        office.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})

        answer = office.get(reverse("account-sessions"))

        page = answer.content.decode()
        assert [session.device for session in answer.context["sessions"]] == ["Firefox (Linux)", "Chrome (Android)"]
        assert page.index("Firefox (Linux)") < page.index("Ici") < page.index("Chrome (Android)")
        assert page.count(reverse("account-session-end", args=[handle_of(phone)])) == 1
        assert handle_of(office) not in page

    def test_names_no_session_that_is_over(self, settings, time_machine, person):
        """SES-04"""
        start = timezone.now()
        time_machine.move_to(start, tick=False)
        browser_of(person)
        time_machine.move_to(start + timedelta(minutes=31), tick=False)

        page = browser_of(person).get(reverse("account-sessions"))

        assert len(page.context["sessions"]) == 1
        assert reverse("account-sessions-end-others") not in page.content.decode()

    @pytest.mark.parametrize(("minutes", "are_shown"), [(14, 2), (16, 1)])
    def test_names_no_session_of_an_agent_that_is_over(self, time_machine, minutes, are_shown):
        """SES-04: it waits less than others, once a code was given in it."""
        start = timezone.now()
        time_machine.move_to(start, tick=False)
        agent, browser = inside()
        time_machine.move_to(start + timedelta(minutes=minutes), tick=False)

        assert len(browser_of(agent).get(reverse("account-sessions")).context["sessions"]) == are_shown
        assert is_signed_in(browser) == (are_shown == 2)

    def test_names_no_session_of_an_agent_that_lasted_too_long(self, time_machine):
        """SES-04: however busy it was."""
        start = timezone.now()
        time_machine.move_to(start, tick=False)
        agent, browser = inside()
        for times in range(1, 25):
            time_machine.move_to(start + timedelta(minutes=10 * times), tick=False)
            browser.get(reverse("account"))

        assert len(browser_of(agent).get(reverse("account-sessions")).context["sessions"]) == 1

    def test_says_how_long_a_session_waits_as_the_operators_have_set_it(self, settings, person):
        settings.SESSION_IDLE_SECONDS = 20 * 60

        page = browser_of(person).get(reverse("account-sessions")).content.decode()

        assert "20\N{NO-BREAK SPACE}minutes" in page or "20 minutes" in page
        assert "30 minutes" not in page

    def test_is_each_persons_own(self, person):
        browser_of(active_account())

        assert len(browser_of(person).get(reverse("account-sessions")).context["sessions"]) == 1


class TestEnding:
    def test_one_of_them(self, person):
        """SES-05: at once, the others go on, and the journal says so."""
        here, there, elsewhere = browser_of(person), browser_of(person), browser_of(person)

        page = end(here, handle_of(there)).content.decode()

        assert "La session est fermée." in page
        assert [is_signed_in(browser) for browser in (here, there, elsewhere)] == [True, False, True]
        assert person.journal.filter(event=Event.SESSION_ENDED).count() == 1

    def test_one_twice_says_that_it_had_ended(self, person):
        here, there = browser_of(person), browser_of(person)
        handle = handle_of(there)
        end(here, handle)

        page = end(here, handle).content.decode()

        assert "déjà fermée" in page
        assert person.journal.filter(event=Event.SESSION_ENDED).count() == 1

    def test_the_one_of_somebody_else_ends_nothing(self, person):
        """SES-05: the answer is that of one that had ended already."""
        other = active_account()
        theirs = browser_of(other)

        answer = end(browser_of(person), handle_of(theirs))

        assert answer.status_code == 404
        assert "déjà fermée" in answer.content.decode()
        assert is_signed_in(theirs)
        assert not other.journal.filter(event=Event.SESSION_ENDED).exists()

    def test_whatever_stands_in_place_of_the_handle(self, person):
        """INP-01"""
        here, there = browser_of(person), browser_of(person)
        for value in (value for value in N.values() if isinstance(value, str) and len(value) < 5000):
            answer = here.post(f"{reverse('account-sessions')}{value}/".replace("?", "%3F").replace("#", "%23"))

            assert answer.status_code in (302, 404, 405), value[:30]
        assert is_signed_in(there)

    def test_the_others(self, person):
        """SES-05"""
        here, others = browser_of(person), [browser_of(person), browser_of(person)]

        page = here.post(reverse("account-sessions-end-others"), follow=True).content.decode()

        assert "2 sessions fermées." in page
        assert is_signed_in(here)
        assert not any(map(is_signed_in, others))
        assert person.journal.get(event=Event.SESSIONS_ENDED).details["sessions"] == 2

    def test_the_others_when_there_are_none(self, person):
        here = browser_of(person)

        page = here.post(reverse("account-sessions-end-others"), follow=True).content.decode()

        assert "Aucune autre session n’était ouverte." in page
        assert not person.journal.filter(event=Event.SESSIONS_ENDED).exists()

    def test_all_of_them_here_too(self, person):
        """SES-05: the old cookies open nothing any more."""
        browsers = [browser_of(person), browser_of(person)]
        keys = [key_of(browser) for browser in browsers]
        somebody_else = browser_of(active_account())

        answer = browsers[0].post(reverse("account-sessions-end-all"))

        assert answer["Location"] == reverse("login")
        assert not any(is_signed_in(replayed(key)) for key in keys)
        assert not Session.objects.filter(account=person).exists()
        assert is_signed_in(somebody_else)

    def test_looking_at_the_address_that_ends_one_ends_nothing(self, person):
        """SES-07: whoever changes the language after a button was pressed lands there."""
        here, there = browser_of(person), browser_of(person)

        assert here.get(reverse("account-session-end", args=[handle_of(there)])).status_code == 200
        assert is_signed_in(there)

    @pytest.mark.parametrize("name", ["account-sessions-end-others", "account-sessions-end-all", "logout"])
    def test_takes_a_post_of_ours(self, person, name):
        """SES-07"""
        here, there = browser_of(person), browser_of(person)
        address = reverse(name)
        from_elsewhere = Client(enforce_csrf_checks=True)
        from_elsewhere.cookies = here.cookies.copy()

        assert here.get(address).status_code == 405
        assert from_elsewhere.post(address).status_code == 403
        assert is_signed_in(here)
        assert is_signed_in(there)

    def test_by_a_lock(self, person):
        """SES-05: no row is left that an unlocked account could wake again."""
        browsers = [browser_of(person), browser_of(person)]

        lock_account(account=person, reason=LockReason.PHISHING)

        assert not any(map(is_signed_in, browsers))
        assert not Session.objects.filter(account=person).exists()

    def test_by_the_end_of_the_contract(self, time_machine, person):
        """SES-05: at midnight in Paris, without anybody doing anything."""
        Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate())
        browser = browser_of(person)
        assert is_signed_in(browser)

        Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))

        assert not is_signed_in(browser)

    def test_by_signing_out_with_redis_away(self, monkeypatch, person):
        """SES-05, AVL-01: sessions are not in Redis, so no Redis can bring one back."""
        browser = browser_of(person)
        key = key_of(browser)
        away = FixedWindowRateLimiter(RedisStorage("redis://127.0.0.1:1/0", socket_connect_timeout=0.5))
        monkeypatch.setattr(limits, "_shared", lambda: away)
        monkeypatch.setattr(limits._Redis, "left_alone_until", 0.0)

        answer = browser.post(reverse("logout"))

        assert answer["Location"] == reverse("home")
        assert not is_signed_in(replayed(key))
        assert not Session.objects.filter(session_key=key).exists()


@pytest.fixture
def ended_meanwhile(monkeypatch) -> Iterator[None]:
    """Somebody ends the session from elsewhere while the account page is made."""
    shown = AccountView.get

    def ended_and_shown(self: AccountView, request, *args, **kwargs):
        answer = shown(self, request, *args, **kwargs)
        request.session["noted"] = "meanwhile"
        Session.objects.filter(session_key=request.session.session_key).delete()
        return answer

    monkeypatch.setattr(AccountView, "get", ended_and_shown)
    yield
    monkeypatch.undo()


class TestWhileARequestIsUnderWay:
    def test_the_request_gets_its_answer_and_the_next_one_is_anonymous(self, ended_meanwhile, person):
        """SES-05: never an error of ours, and no cookie that could overwrite a newer one."""
        browser = browser_of(person)

        answer = browser.get(reverse("account"))

        assert answer.status_code == 200
        assert "sessionid" not in answer.cookies
        assert "Cookie" in answer["Vary"]
        assert browser.get(reverse("account"))["Location"].startswith(reverse("login"))
        assert not Session.objects.exists()

    def test_django_alone_would_have_blamed_the_visitor(self):
        """What the middleware is for; it may go the day this fails."""
        assert SessionInterrupted.__mro__[1].__name__ == "BadRequest"

    def test_a_new_key_does_not_bring_it_back(self, person):
        """SES-05: a thief who opens links all the time changes keys all the time."""
        browser = browser_of(person)
        store = SessionStore(key_of(browser))
        assert SESSION_KEY in store
        sessions.end_sessions(account=person)

        store.cycle_key()

        assert SESSION_KEY not in store
        assert not Session.objects.filter(account=person).exists()

    def test_an_anonymous_one_keeps_what_it_knew(self, client):
        """Two clicks on one link: the second finds what the first has put away."""
        client.post(reverse("forgotten-password"), {"login": "quelqu.un"})
        first, second = SessionStore(key_of(client)), SessionStore(key_of(client))
        assert first["login_asked"] == second["login_asked"]

        first.cycle_key()
        second.cycle_key()

        assert "login_asked" in second
        assert len({first.session_key, second.session_key}) == 2

    def test_a_change_of_password_in_a_session_ended_meanwhile_changes_it_and_signs_nobody_in(
        self, monkeypatch, person
    ):
        """SES-05, SES-08: whoever knows the password may change it; the session stays ended."""
        browser = browser_of(person)
        right = ChangePasswordView.form_valid

        def ended_and_right(self: ChangePasswordView, form):
            sessions.end_sessions(account=person)
            return right(self, form)

        monkeypatch.setattr(ChangePasswordView, "form_valid", ended_and_right)
        answer = browser.post(
            reverse("account-password"), {"current_password": A_GOOD_PASSWORD, "password": NEW_PASSWORD}
        )

        assert answer.status_code == 302
        assert fresh(person).check_password(NEW_PASSWORD)
        assert not is_signed_in(browser)


@pytest.mark.django_db(transaction=True)
class TestANewKeyAndAnEndAtTheSameInstant:
    def test_the_end_comes_first(self):
        """SES-05: the new key waits for the account, and finds nothing to go on with."""
        person = active_account()
        store = SessionStore(key_of(browser_of(person)))
        assert SESSION_KEY in store

        with ThreadPoolExecutor(1) as threads:
            with transaction.atomic():
                sessions.end_sessions(account=person)
                cycled = threads.submit(lambda: (store.cycle_key(), connection.close()))
                wait_until_somebody_waits_for_us()
            cycled.result(timeout=10)

        assert not Session.objects.filter(account=person).exists()

    def test_the_new_key_comes_first(self):
        """SES-05: whoever ends the sessions waits, and ends the one with the new key."""
        person = active_account()
        store = SessionStore(key_of(browser_of(person)))
        assert SESSION_KEY in store

        with ThreadPoolExecutor(1) as threads:
            with transaction.atomic():
                store.cycle_key()
                ended = threads.submit(lambda: (sessions.end_sessions(account=person), connection.close()))
                wait_until_somebody_waits_for_us()
            ended.result(timeout=10)

        assert not Session.objects.filter(account=person).exists()
