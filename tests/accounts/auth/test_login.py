"""Login: one message for every failure, throttled guessing, and no account locked by an attacker."""

import unicodedata
from collections import Counter
from datetime import timedelta
from urllib.parse import urljoin, urlsplit

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher, make_password
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from redis import Redis

from accounts.auth import login
from accounts.auth.login import LoginRefused
from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock, Session
from accounts.passwords.services import change_password
from core.rate_limits import FAILED_SIGN_INS_PER_LOGIN, UNKNOWN_CLIENT_SIGN_INS_PER_LOGIN, RateLimitExceeded
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from journal.models import JournalEntry
from tests.concurrency import attempted_together
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import NEXT
from tests.locking import locked_account
from tests.normalised import normalised_answer
from tests.signing_in import is_signed_in, log_in, submit_login

pytestmark = pytest.mark.django_db

WRONG = "pas-le-bon-mot-de-passe"
NEW_PASSWORD = "une-phrase-du-bureau-bleu"


def departed_person() -> Account:
    return active_account(end_date=timezone.localdate() - timedelta(days=1))


def unknown_person() -> Account:
    return Account(institutional_address="personne.inconnue@univ-exemple.fr")


def person_to_reactivate() -> Account:
    person = active_account()
    Account.objects.filter(pk=person.pk).update(password=make_password(None))
    return person


def test_an_active_account_logs_in_and_out(client):
    """SES-05, SES-07: logout takes a POST and ends the session on the server."""
    person = active_account()

    response = submit_login(client, person)
    stolen = Client()
    stolen.cookies["sessionid"] = client.cookies["sessionid"].value

    assert response["Location"] == reverse("account")
    assert person.login in client.get(reverse("account")).content.decode()
    assert client.get(reverse("logout")).status_code == 405
    assert is_signed_in(stolen)
    assert client.post(reverse("logout"))["Location"] == reverse("home")
    assert not is_signed_in(client)
    assert not is_signed_in(stolen)
    events = list(person.journal.order_by("pk").values_list("event", flat=True))
    assert events[-2:] == [Event.SIGNED_IN, Event.SIGNED_OUT]


def test_every_failure_gets_one_same_answer():
    """ENU-02: unknown, wrong password, pending, locked, departed, to be reactivated."""
    attempts = [
        (active_account(), WRONG),
        (locked_account(), WRONG),
        (pending_account(), WRONG),
        (pending_account(), A_GOOD_PASSWORD),
        (departed_person(), WRONG),
        (departed_person(), A_GOOD_PASSWORD),
        (person_to_reactivate(), A_GOOD_PASSWORD),
        (unknown_person(), A_GOOD_PASSWORD),
    ]

    answers = {normalised_answer(submit_login(Client(), *attempt), attempt[0].login) for attempt in attempts}

    [answer] = answers
    assert answer.status == 200
    assert "ne correspond pas" in answer.body
    assert "Erreur" in answer.body.split("</title>")[0]
    assert reverse("locked-help") in answer.body
    assert WRONG not in answer.body
    assert A_GOOD_PASSWORD not in answer.body


def test_every_failure_costs_the_same_work(monkeypatch):
    """ENU-03: one hash and the same queries in every state."""
    hashes = []
    make, check = login.make_password, login.check_password
    monkeypatch.setattr(login, "make_password", lambda password: hashes.append(1) or make(password))
    monkeypatch.setattr(login, "check_password", lambda *given: hashes.append(1) or check(*given))
    states = (active_account, locked_account, pending_account, departed_person, person_to_reactivate, unknown_person)
    for factory in states:
        person = factory()
        hashes.clear()
        with CaptureQueriesContext(connection) as queries:
            submit_login(Client(), person, WRONG)

        assert len(hashes) == 1, factory
        assert [query["sql"].split(" ")[0] for query in queries] == ["SELECT", "INSERT"], factory


def test_only_the_right_password_reveals_the_lock(client):
    """HLP-01"""
    person = locked_account()

    assert submit_login(client, person)["Location"] == reverse("locked-help")
    assert not is_signed_in(client)
    assert submit_login(client, person, WRONG).status_code == 200


def test_a_departure_a_lock_or_another_password_ends_every_session():
    """SES-05, HLP-01: the account is read on each request, so its row alone ends all its sessions."""

    def update(**facts: object):
        return lambda person: Account.objects.filter(pk=person.pk).update(**facts)

    changes = (
        update(end_date=timezone.localdate() - timedelta(days=1)),
        update(password=make_password("une-autre-phrase-de-passe")),
        update(password=make_password(None)),
        lambda person: Lock.objects.create(account=person, reason=LockReason.PHISHING),
        lambda person: lock_account(account=person, reason=LockReason.SUSPICIOUS_ACTIVITY),
    )
    for number, change in enumerate(changes):
        person, browsers = active_account(), [Client(), Client()]
        for browser in browsers:
            submit_login(browser, person)
        assert all(map(is_signed_in, browsers))

        change(person)

        assert not any(map(is_signed_in, browsers)), number


def test_the_login_form_needs_its_csrf_token():
    """SES-07"""
    assert submit_login(Client(enforce_csrf_checks=True), active_account()).status_code == 403


def test_a_login_is_found_in_any_spelling_and_a_look_alike_is_not():
    """INP-03"""
    active_account(given_name="Kim", family_name="Essai")
    spellings = ["kim.essai", "KIM.ESSAI", " Kim.Essai@Univ-Exemple.fr ", "kim.essai@UNIV-EXEMPLE.FR"]
    look_alikes = ["k\u0131m.essai", "\u212aim.essai", "kim.essai@un\u0131v-exemple.fr", "kim.essai\u200b"]
    for typed in spellings + look_alikes:
        browser = Client()
        response = browser.post(reverse("login"), {"login": typed, "password": A_GOOD_PASSWORD})

        assert response.status_code == (302 if typed in spellings else 200), typed
        assert is_signed_in(browser) == (typed in spellings), typed


def test_a_password_is_compared_in_nfc_and_to_the_letter():
    """PWD-02, PWD-04: any spelling of an accent is the same password; spaces count and nothing is cut."""
    password = "Éléphant-été-violet"
    person = active_account(password=password)
    for form in ("NFC", "NFD"):
        assert submit_login(Client(), person, unicodedata.normalize(form, password)).status_code == 302, form
    for typed in (f" {password}", f"{password} ", password.upper(), password[:-1]):
        assert submit_login(Client(), person, typed).status_code == 200, typed


def test_a_password_never_expires(client, time_machine):
    """PWD-01"""
    time_machine.move_to(timezone.now() - timedelta(days=2 * 365))
    person = active_account()
    time_machine.move_to(timezone.now() + timedelta(days=2 * 365))

    assert submit_login(client, person)["Location"] == reverse("account")


class OtherParameters(Argon2PasswordHasher):
    memory_cost, time_cost, parallelism = 128, 1, 1


def person_with_an_older_hash(*, algorithm: str = "argon2") -> Account:
    person = active_account()
    older = {
        "argon2": lambda: OtherParameters().encode(A_GOOD_PASSWORD, "saltsaltsalt"),
        "pbkdf2": lambda: PBKDF2PasswordHasher().encode(A_GOOD_PASSWORD, "salt", iterations=10),
    }
    Account.objects.filter(pk=person.pk).update(password=older[algorithm]())
    return Account.objects.get(pk=person.pk)


class TestUpgradeOfAnOlderHash:
    def test_happens_at_login_and_is_no_change_of_password(self, mail_delivery):
        """PWD-05, SES-05: another algorithm or other parameters; it ends the sessions bound to the older hash."""
        for algorithm in ("argon2", "pbkdf2"):
            person, elsewhere, here = person_with_an_older_hash(algorithm=algorithm), Client(), Client()
            elsewhere.force_login(person)

            submit_login(here, person)

            person.refresh_from_db()
            upgraded = person.password
            assert upgraded.startswith(f"argon2$argon2id$v=19$m={settings.ARGON2_MEMORY_KIB},"), algorithm
            assert mail_delivery.deliver() == []
            assert not person.journal.filter(event=Event.PASSWORD_CHANGED).exists()
            assert len(here.get(reverse("account-sessions")).context["sessions"]) == 1
            assert not is_signed_in(elsewhere)
            assert is_signed_in(here)
            submit_login(Client(), person)
            person.refresh_from_db()
            assert person.password == upgraded

    def test_does_not_happen_when_a_session_asks_for_the_password_again(self, client):
        """SES-08: confirming a change must not end the session that confirms it."""
        person = person_with_an_older_hash()
        client.force_login(person)

        client.post(
            reverse("account-recovery"), {"address": "nouvelle@exemple.org", "current_password": A_GOOD_PASSWORD}
        )

        assert is_signed_in(client)
        assert Account.objects.get(pk=person.pk).password == person.password

    def test_does_not_restore_a_password_that_was_changed_meanwhile(self, client, monkeypatch):
        """PWD-05: the password changes between the check and the upgrade."""
        person, upgrade = person_with_an_older_hash(), login.upgrade_hash

        def change_first(*, account: Account, password: str) -> bool:
            change_password(account=Account.objects.get(pk=account.pk), password=NEW_PASSWORD)
            return upgrade(account=account, password=password)

        monkeypatch.setattr(login, "upgrade_hash", change_first)

        assert "ne correspond pas" in submit_login(client, person).content.decode()
        assert not is_signed_in(client)
        assert Account.objects.get(pk=person.pk).check_password(NEW_PASSWORD)

    @pytest.mark.django_db(transaction=True)
    def test_succeeds_for_both_requests_of_a_double_click(self):
        """PWD-05: both requests find an older hash; only one replaces it."""
        for _ in range(3):
            person = person_with_an_older_hash()
            browsers = [Client(), Client()]

            answers = attempted_together(
                *(lambda browser=browser: submit_login(browser, person) for browser in browsers)
            )

            assert [answer.status_code for answer in answers] == [302, 302]
            assert any(map(is_signed_in, browsers))


def test_the_next_page_is_always_a_readable_one_of_the_portal():
    """INP-08, SES-04: the NEXT pack; nor a page that only takes a POST, nor one that does not exist."""
    person = active_account()
    for target in (*NEXT, "/\\\\evil.example", "http://evil.example"):
        browser = Client()
        page = browser.get(reverse("login"), {"next": target})
        response = submit_login(browser, person, next=target)

        assert (page.status_code, response.status_code) == (200, 302), target
        assert urlsplit(urljoin("http://testserver/connexion/", response["Location"])).netloc == "testserver", target
        assert "\n" not in response["Location"], target
    for target in ("/deconnexion/", "/compte/sessions/toutes/", "/nulle-part/", "/compte/\x00"):
        assert submit_login(Client(), person, next=target)["Location"] == reverse("account"), target


def test_login_leads_back_to_the_requested_page(client):
    asked = client.get(reverse("account-history"))

    page = client.get(asked["Location"]).content.decode()
    response = submit_login(client, active_account(), next=reverse("account-history"))

    assert f'name="next" value="{reverse("account-history")}"' in page
    assert response["Location"] == reverse("account-history")


class TestThrottling:
    def test_five_failures_throttle_this_client_but_not_the_owner_elsewhere(self):
        """ENU-07: no failure ever locks the account."""
        person = active_account()
        guesser, owner = Client(REMOTE_ADDR="203.0.113.5"), Client(REMOTE_ADDR="198.51.100.5")

        answers = [submit_login(guesser, person, WRONG).status_code for _ in range(6)]
        refused = submit_login(guesser, person)

        assert answers == [200] * 5 + [429]
        assert refused.status_code == 429
        assert 60 < int(refused["Retry-After"]) <= 121
        assert "Trop d’essais" in refused.content.decode()
        assert not is_signed_in(guesser)
        assert submit_login(owner, person).status_code == 302
        assert not Account.objects.get(pk=person.pk).is_locked

    def test_the_wait_grows(self):
        """ENU-07: five tries in two minutes, eight in a quarter of an hour, twelve in an hour, twenty in a day."""
        person, guesser, waits = active_account(), Client(REMOTE_ADDR="203.0.113.5"), {}
        for number in range(20):
            answer = submit_login(guesser, person, WRONG)
            if answer.status_code == 429:
                waits[number] = int(answer["Retry-After"])
                age_redis_counters(waits[number])
                answer = submit_login(guesser, person, WRONG)
            assert answer.status_code == 200, number
        waits[20] = int(submit_login(guesser, person)["Retry-After"])

        assert list(waits) == [5, 8, 12, 17, 20]
        # Less the seconds that this took.
        assert [waits[number] for number in (5, 8, 12, 17)] == pytest.approx([121, 781, 2701, 121], abs=60)
        assert waits[20] > 22 * 60 * 60

    def test_an_unknown_login_is_throttled_like_a_known_one(self):
        """ENU-02"""
        answers = [
            [submit_login(Client(REMOTE_ADDR="203.0.113.6"), person, WRONG).status_code for _ in range(7)]
            for person in (active_account(), unknown_person())
        ]

        assert answers[0] == answers[1]

    def test_every_spelling_of_a_login_shares_one_count(self, client):
        """ENU-07: case, blanks and the domain left out do not give more tries."""
        person = active_account(given_name="Jean", family_name="Essai")
        for typed in (
            "jean.essai",
            "JEAN.ESSAI",
            " jean.essai ",
            "jean.essai@univ-exemple.fr",
            "Jean.Essai@UNIV-EXEMPLE.FR",
        ):
            client.post(reverse("login"), {"login": typed, "password": WRONG})

        assert submit_login(client, person).status_code == 429

    def test_a_success_resets_the_count(self, client):
        person = active_account()
        for _ in range(4):
            submit_login(client, person, WRONG)
        submit_login(client, person)
        client.post(reverse("logout"))

        assert [submit_login(client, person, WRONG).status_code for _ in range(5)] == [200] * 5

    def test_guesses_from_many_clients_throttle_unknown_clients_only(self):
        """ENU-07: 300 failures from many places. A known client of the owner logs in at once, even after a slip; a client
        new to the account is throttled, not locked out; the account is never locked.
        """
        person = active_account()
        submit_login(Client(REMOTE_ADDR="2001:db8:1:2:3::4"), person)

        outcomes = Counter(guess(person, f"198.51.{number // 250}.{number % 250}") for number in range(300))

        assert outcomes[LoginRefused] <= 102
        assert outcomes[RateLimitExceeded] >= 198
        known = Client(REMOTE_ADDR="2001:db8:1:2:ffff::1")
        assert submit_login(known, person, WRONG).status_code == 200
        assert submit_login(known, person).status_code == 302
        new = Client(REMOTE_ADDR="203.0.113.99")
        refused = submit_login(new, person)
        assert refused.status_code == 429
        assert 0 < int(refused["Retry-After"]) <= 61
        UNKNOWN_CLIENT_SIGN_INS_PER_LOGIN.reset(person.login)
        assert submit_login(new, person).status_code == 302
        assert not Account.objects.get(pk=person.pk).is_locked

    def test_a_client_is_known_for_thirty_days(self, time_machine):
        """ENU-07"""
        person, start = active_account(), timezone.now()
        for days, address in ((30.001, "198.51.100.30"), (29, "198.51.100.29")):
            time_machine.move_to(start - timedelta(days=days))
            submit_login(Client(REMOTE_ADDR=address), person)
        time_machine.move_to(start)
        for _ in range(100):
            FAILED_SIGN_INS_PER_LOGIN.count(person.login)
        UNKNOWN_CLIENT_SIGN_INS_PER_LOGIN.count(person.login)

        assert submit_login(Client(REMOTE_ADDR="198.51.100.30"), person).status_code == 429
        assert submit_login(Client(REMOTE_ADDR="198.51.100.29"), person).status_code == 302

    def test_an_invalid_login_is_counted_by_its_digest(self, client):
        """ENU-07: different typing errors from a campus do not share a count, and Redis holds no typed text."""
        for number in range(12):
            answer = client.post(reverse("login"), {"login": f"prénom nom {number}", "password": WRONG})
            assert answer.status_code == 200, number

        with Redis.from_url(settings.REDIS_URL) as redis:
            assert not any("nom" in key.decode() for key in redis.scan_iter("*"))

    def test_one_password_tried_on_many_accounts_is_slowed(self):
        """ENU-07: after a hundred accounts tried by one client, no other is looked at."""
        people = (Account(institutional_address=f"personne{number}@univ-exemple.fr") for number in range(110))

        outcomes = Counter(guess(person, "203.0.113.8") for person in people)

        assert outcomes == {LoginRefused: 100, RateLimitExceeded: 10}
        answer = submit_login(Client(REMOTE_ADDR="203.0.113.8"), active_account())
        assert answer.status_code == 429
        assert 0 < int(answer["Retry-After"]) <= 15 * 60 + 1


def age_redis_counters(seconds: int) -> None:
    with Redis.from_url(settings.REDIS_URL) as redis:
        for key in list(redis.scan_iter("*")):
            left = redis.ttl(key)
            redis.delete(key) if left <= seconds else redis.expire(key, left - seconds)


def guess(person: Account, address: str) -> type[Exception]:
    with (
        use_request_context(RequestContext("web", address)),
        pytest.raises((LoginRefused, RateLimitExceeded)) as refused,
    ):
        login.authenticate(login=person.login, password=WRONG)
    return refused.type


def test_failures_are_in_the_journal_of_known_and_unknown_alike(client):
    """LOG-01: without the typed text, which is sometimes a password in the wrong field."""
    person = active_account()

    submit_login(client, person, WRONG)
    client.post(reverse("login"), {"login": WRONG, "password": person.login})

    failures = JournalEntry.objects.filter(event=Event.SIGN_IN_FAILED).order_by("pk")
    assert [failure.account_id for failure in failures] == [person.pk, None]
    assert WRONG not in str(list(failures.values()))


def test_the_session_written_for_tests_is_that_of_the_login_page():
    """Most tests start from `log_in`, which skips the form; it must leave the same rows."""
    with time_machine.travel("2026-06-10T10:00:00Z", tick=False):
        by_page, direct = active_account(), active_account()
        client, other = Client(), Client()
        submit_login(client, by_page)
        log_in(other, direct)

    def written(person: Account, browser: Client) -> tuple[object, ...]:
        own = {SESSION_KEY: "", HASH_SESSION_KEY: ""}
        row = Session.objects.filter(account=person).values("device", "client_address", "signed_in_at", "last_seen_at")
        entries = JournalEntry.objects.filter(account=person).order_by("pk")
        shown = entries.values("event", "actor_id", "source", "client_address", "device", "details")
        return (
            dict(browser.session) | own,
            row.get(),
            Account.objects.values_list("last_login", flat=True).get(pk=person.pk),
            [one | {"actor_id": one["actor_id"] == person.pk} for one in shown],
        )

    assert written(by_page, client) == written(direct, other)
