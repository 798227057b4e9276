"""Login: one message for every failure, throttled guessing, and no account locked by an attacker."""

import unicodedata
from collections import Counter
from datetime import timedelta

import pytest
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
from accounts.models import Account, Lock, Session
from accounts.passwords.services import change_password
from core import rate_limits as limits
from core.rate_limits import RateLimitExceeded
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from journal.models import JournalEntry
from tests.activation.states import changed, leave, lock
from tests.factories import A_GOOD_PASSWORD, active_account, events_of, pending_account, reloaded
from tests.locking import is_told_why, locked_account
from tests.normalised import normalised_answer
from tests.signing_in import is_signed_in, log_in, submit_login

pytestmark = pytest.mark.django_db

WRONG = "pas-le-bon-mot-de-passe"
UNKNOWN = Account(institutional_address="personne.inconnue@univ-exemple.fr")


def test_an_active_account_logs_in_to_the_requested_page_and_out(client):
    """SES-05, SES-07: logout takes a POST and ends the session on the server."""
    person, wanted = active_account(), reverse("account-history")
    form = client.get(client.get(wanted)["Location"]).content.decode()
    assert f'name="next" value="{wanted}"' in form
    assert submit_login(client, person, next=wanted)["Location"] == wanted
    assert person.login in client.get(reverse("account")).content.decode()
    stolen = Client()
    stolen.cookies["sessionid"] = client.cookies["sessionid"].value
    assert client.get(reverse("logout")).status_code == 405
    assert is_signed_in(stolen)
    assert "Votre session est fermée." in client.post(reverse("logout"), follow=True).content.decode()
    assert not is_signed_in(client)
    assert not is_signed_in(stolen)
    assert events_of(person)[-2:] == [Event.SIGNED_IN, Event.SIGNED_OUT]
    assert submit_login(client, person)["Location"] == reverse("account")


def test_every_failure_gets_one_same_answer_for_the_same_work(monkeypatch):
    """ENU-02, ENU-03, HLP-01, LOG-01: no entry holds what was typed; only the right password reveals a lock."""
    locked, browser = locked_account(), Client()
    attempts = (
        (active_account(), WRONG),
        (locked, WRONG),
        (pending_account(), WRONG),
        (pending_account(), A_GOOD_PASSWORD),
        (leave(active_account()), WRONG),
        (leave(active_account()), A_GOOD_PASSWORD),
        (changed(active_account(), password=make_password(None)), A_GOOD_PASSWORD),
        (UNKNOWN, A_GOOD_PASSWORD),
        (Account(institutional_address=WRONG), A_GOOD_PASSWORD),
    )
    hashes, answers = [], set()
    make, check = login.make_password, login.check_password
    monkeypatch.setattr(login, "make_password", lambda password: hashes.append(1) or make(password))
    monkeypatch.setattr(login, "check_password", lambda *given: hashes.append(1) or check(*given))
    for number, (person, password) in enumerate(attempts, 1):
        with CaptureQueriesContext(connection) as queries:
            response = submit_login(Client(), person, password)
        answers.add(normalised_answer(response, person.login))
        assert len(hashes) == number
        assert [query["sql"].split(" ")[0] for query in queries] == ["SELECT", "INSERT"], number
    [answer] = answers
    assert answer.status == 200
    assert "mot de passe incorrect" in answer.body
    assert "Erreur" in answer.body.split("</title>")[0]
    assert reverse("locked-help") in answer.body
    assert WRONG not in answer.body
    assert A_GOOD_PASSWORD not in answer.body
    failures = JournalEntry.objects.filter(event=Event.SIGN_IN_FAILED).order_by("pk")
    assert [failure.account_id for failure in failures] == [person.pk for person, _password in attempts]
    assert WRONG not in str(list(failures.values()))
    assert is_told_why(submit_login(browser, locked).content.decode())
    assert not is_told_why(answer.body)
    assert not is_signed_in(browser)


def test_a_departure_a_lock_or_another_password_ends_every_session():
    """SES-05, HLP-01: the account is read on each request, so its row alone ends all its sessions."""
    for change in (
        leave,
        lambda person: changed(person, password=make_password("une-autre-phrase-de-passe")),
        lambda person: changed(person, password=make_password(None)),
        lambda person: Lock.objects.create(account=person, reason=LockReason.PHISHING),
        lock,
    ):
        person = active_account(end_date=timezone.localdate())
        browsers = [log_in(Client(), person) for _ in range(2)]
        assert all(map(is_signed_in, browsers))
        change(person)
        assert not any(map(is_signed_in, browsers)), change.__code__.co_firstlineno


def test_a_password_is_compared_in_nfc_and_to_the_letter_and_never_expires(time_machine):
    """PWD-01, PWD-02, PWD-04: any spelling of an accent is the same password; spaces count and nothing is cut."""
    password, today = "Éléphant-été-violet", timezone.now()
    time_machine.move_to(today - timedelta(days=2 * 365))
    person = active_account(password=password)
    time_machine.move_to(today)
    for form in ("NFC", "NFD"):
        answer = submit_login(Client(), person, unicodedata.normalize(form, password))
        assert answer["Location"] == reverse("account"), form
    for typed in (f" {password}", f"{password} ", password.upper(), password[:-1]):
        assert submit_login(Client(), person, typed).status_code == 200, typed


class OtherParameters(Argon2PasswordHasher):
    memory_cost, time_cost, parallelism = 128, 1, 1


def person_with_an_older_hash(hasher: object = OtherParameters) -> Account:
    return reloaded(changed(active_account(), password=hasher().encode(A_GOOD_PASSWORD, "saltsaltsalt")))


class TestUpgradeOfAnOlderHash:
    def test_happens_at_login_and_is_no_change_of_password(self, mail_delivery):
        """PWD-05, SES-05: another algorithm or other parameters; it ends the sessions bound to the older hash."""
        for hasher in (OtherParameters, PBKDF2PasswordHasher):
            person, elsewhere, here = person_with_an_older_hash(hasher), Client(), Client()
            elsewhere.force_login(person)
            submit_login(here, person)
            upgraded = reloaded(person).password
            assert upgraded.startswith(f"argon2$argon2id$v=19$m={settings.ARGON2_MEMORY_KIB},"), hasher
            assert mail_delivery.deliver() == []
            assert Event.PASSWORD_CHANGED not in events_of(person)
            assert Session.objects.filter(account=person).count() == 1
            assert not is_signed_in(elsewhere)
            assert is_signed_in(here)
            submit_login(Client(), person)
            assert reloaded(person).password == upgraded

    def test_does_not_happen_when_a_session_asks_for_the_password_again(self, client):
        """SES-08: confirming a change must not end the session that confirms it."""
        person = person_with_an_older_hash()
        client.force_login(person)
        fields = {"address": "nouvelle@exemple.org", "current_password": A_GOOD_PASSWORD}
        client.post(reverse("account-recovery"), fields)
        assert is_signed_in(client)
        assert reloaded(person).password == person.password

    def test_meets_another_request_meanwhile(self, monkeypatch):
        """PWD-05: between check and upgrade, another password is not undone; a double click succeeds twice."""
        upgrade, new = login.upgrade_hash, "une-phrase-du-bureau-bleu"
        for meanwhile, password in ((change_password, new), (upgrade, A_GOOD_PASSWORD)):
            person, browser = person_with_an_older_hash(), Client()

            def upgrade_second(*, account: Account, password: str, first=meanwhile, chosen=password) -> bool:
                first(account=reloaded(account), password=chosen)
                return upgrade(account=account, password=password)

            monkeypatch.setattr(login, "upgrade_hash", upgrade_second)
            answer = submit_login(browser, person)
            assert answer.status_code == (200 if password == new else 302)
            assert is_signed_in(browser) == (password != new)
            assert reloaded(person).check_password(password)


def test_the_next_page_is_always_a_readable_one_of_the_portal():
    """INP-08, SES-04: nor a page that only takes a POST, nor one that does not exist."""
    person, elsewhere = active_account(), ("http://evil.example", "//evil.example", "/\\\\evil.example")
    for target in (*elsewhere, "/deconnexion/", "/compte/sessions/toutes/", "/nulle-part/", "/compte/\x00"):
        assert submit_login(Client(), person, next=target)["Location"] == reverse("account"), target


def age_redis_counters(seconds: int) -> None:
    with Redis.from_url(settings.REDIS_URL) as redis:
        for key in list(redis.scan_iter("*")):
            left = redis.ttl(key)
            redis.delete(key) if left <= seconds else redis.expire(key, left - seconds)


def guess(person: Account, address: str) -> type[Exception]:
    context = use_request_context(RequestContext("web", address))
    with context, pytest.raises((LoginRefused, RateLimitExceeded)) as refused:
        login.authenticate(login=person.login, password=WRONG)
    return refused.type


class TestThrottling:
    def test_the_wait_grows_for_this_client_and_not_for_the_owner_elsewhere(self):
        """ENU-02, ENU-07: alike for an unknown login; no failure ever locks the account."""
        for person in (active_account(), UNKNOWN):
            guesser, waits = Client(REMOTE_ADDR="203.0.113.5"), {}
            for number in range(20):
                answer = submit_login(guesser, person, WRONG)
                if answer.status_code == 429:
                    waits[number] = int(answer["Retry-After"])
                    assert "Trop d’essais" in answer.content.decode()
                    age_redis_counters(waits[number])
                    answer = submit_login(guesser, person, WRONG)
                assert answer.status_code == 200, number
            waits[20] = int(submit_login(guesser, person)["Retry-After"])
            # Less the seconds that this took.
            assert waits == pytest.approx({5: 121, 8: 781, 12: 2701, 17: 121, 20: 82_677}, abs=60)
            owner = submit_login(Client(REMOTE_ADDR="198.51.100.5"), person)
            assert owner.status_code == (302 if person.pk else 200)
        assert not is_signed_in(guesser)

    def test_every_spelling_of_a_login_shares_one_count_which_a_success_resets(self):
        """INP-03, ENU-07: case, blanks and the domain left out; a look-alike letter is another login."""
        person = active_account(given_name="Kim", family_name="Essai")
        spellings = ["kim.essai", "KIM.ESSAI", " Kim.Essai@Univ-Exemple.fr ", "kim.essai@UNIV-EXEMPLE.FR"]
        look_alikes = ["k\u0131m.essai", "\u212aim.essai", "kim.essai@un\u0131v-exemple.fr", "kim.essai\u200b"]
        for typed in spellings + look_alikes:
            form = {"login": typed, "password": A_GOOD_PASSWORD}
            assert (Client().post(reverse("login"), form).status_code == 302) == (typed in spellings), typed
        for wanted in ([200] * 4, [200] * 5 + [429]):
            for typed, status in zip(spellings * 2, wanted, strict=False):
                form = {"login": typed, "password": WRONG}
                assert Client().post(reverse("login"), form).status_code == status, typed
            assert submit_login(Client(), person).status_code == (429 if 429 in wanted else 302)

    def test_guesses_from_many_clients_take_no_attempt_of_the_owner(self, settings):
        """ENU-07: at a known address, in a new place, on a campus; the journal holds a few failures and a number."""
        settings.CAMPUS_NETWORKS = ["10.0.0.0/8"]
        person = active_account()
        submit_login(Client(REMOTE_ADDR="2001:db8:1:2:3::4"), person)
        for network, tried in (("198.51.100.{}", 100), ("203.0.113.{}", 60), ("2001:db8:7:{}00::1", 30)):
            outcomes = Counter(guess(person, network.format(number)) for number in range(20) for _ in range(5))
            assert outcomes[LoginRefused] == tried, network
        for owner in ("2001:db8:1:2:ffff::1", "192.0.2.9", "2001:db8:8::1", "10.1.2.3"):
            browser = Client(REMOTE_ADDR=owner)
            answers = [submit_login(browser, person, typed).status_code for typed in (WRONG, A_GOOD_PASSWORD)]
            assert answers == [200, 302], owner
        assert not reloaded(person).is_locked
        failures = [entry.details for entry in person.journal.filter(event=Event.SIGN_IN_FAILED).order_by("pk")]
        assert failures == [{}] * 20 + [{"failures": 100}]

    def test_a_browser_that_has_signed_in_is_counted_apart(self, settings):
        """ENU-07: not with those that share its address, be it a campus. Its signed mark cannot be made up."""
        settings.CAMPUS_NETWORKS = ["203.0.113.9/32"]
        for address in ("203.0.113.9", "203.0.113.8"):
            person, owner, other = active_account(), Client(REMOTE_ADDR=address), Client(REMOTE_ADDR=address)
            submit_login(owner, person)
            submit_login(other, active_account())
            for _ in range(1100):
                for limit in (limits.FAILED_SIGN_INS_PER_CLIENT, limits.SLOW_SIGN_INS_PER_CLIENT):
                    limit.count(limits.client_key(address))
            assert submit_login(other, person).status_code == 429
            assert [submit_login(owner, person, WRONG).status_code for _ in range(4)] == [200] * 4
            assert submit_login(owner, person).status_code == 302
            assert [submit_login(owner, person, WRONG).status_code for _ in range(6)] == [200] * 5 + [429]
            stolen = owner.cookies["known"].value
            owner.cookies["known"] = stolen[:-1] + ("A" if stolen[-1] != "A" else "B")
            assert submit_login(owner, person).status_code == 429

    def test_a_client_is_known_for_thirty_days(self, time_machine):
        """ENU-07"""
        person, start, browsers = active_account(), timezone.now(), {}
        for days, address in ((30.001, "198.51.100.30"), (29, "198.51.100.29")):
            time_machine.move_to(start - timedelta(days=days))
            browsers[address] = Client(REMOTE_ADDR=address)
            submit_login(browsers[address], person)
        time_machine.move_to(start)
        for _ in range(100):
            limits.FAILED_SIGN_INS_PER_LOGIN.count(person.login)
            for address in (*browsers, "192.0.2.1"):
                limits.UNKNOWN_CLIENT_SIGN_INS_PER_LOGIN.count(person.login, address)
        for address, status in (("198.51.100.30", 429), ("198.51.100.29", 302)):
            assert submit_login(Client(REMOTE_ADDR=address), person).status_code == status, "the address is known"
            browsers[address].defaults["REMOTE_ADDR"] = "192.0.2.1"
            assert submit_login(browsers[address], person).status_code == status, "the browser is known"

    def test_an_invalid_login_is_counted_by_its_digest(self, client):
        """ENU-07: different typing errors from a campus do not share a count, and Redis holds no typed text."""
        for number in range(12):
            answer = client.post(reverse("login"), {"login": f"prénom nom {number}", "password": WRONG})
            assert answer.status_code == 200, number
        with Redis.from_url(settings.REDIS_URL) as redis:
            assert not any("nom" in key.decode() for key in redis.scan_iter("*"))

    def test_one_password_tried_on_many_accounts_is_slowed(self):
        """ENU-07: a few attempts a minute go on, for the others behind that address."""
        people = [Account(institutional_address=f"personne{number}@univ-exemple.fr") for number in range(115)]
        assert {guess(person, "203.0.113.8") for person in people[:105]} == {LoginRefused}
        behind = [Client(REMOTE_ADDR="203.0.113.8") for _ in range(2)]
        assert submit_login(behind[0], active_account()).status_code == 302
        assert [guess(person, "203.0.113.8") for person in people[105:]] == [LoginRefused] * 4 + [RateLimitExceeded] * 6
        answer = submit_login(behind[1], active_account())
        assert answer.status_code == 429
        assert 0 < int(answer["Retry-After"]) <= 61


def test_the_session_written_for_tests_is_that_of_the_login_page(time_machine):
    """Most tests start from `log_in`, which skips the form."""
    time_machine.move_to("2026-06-10T10:00:00Z", tick=False)
    written = []
    for enter in (submit_login, log_in):
        person, browser = active_account(), Client()
        enter(browser, person)
        row = Session.objects.filter(account=person).values("device", "client_address", "signed_in_at", "last_seen_at")
        entries = person.journal.filter(actor=person).order_by("pk")
        shown = entries.values("event", "source", "client_address", "device", "details")
        own = {SESSION_KEY: "", HASH_SESSION_KEY: ""}
        written.append((dict(browser.session) | own, row.get(), reloaded(person).last_login, list(shown)))
    assert written[0] == written[1]
