"""Signing in: one message for every failure, slowed for whoever guesses and for nobody else, ended by a lock at once."""

import unicodedata
from collections import Counter
from datetime import timedelta
from urllib.parse import urljoin, urlsplit

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher, make_password
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from accounts.auth import login as sign_in
from accounts.auth.login import LoginRefused
from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock, Session
from accounts.passwords.services import change_password
from core.rate_limits import FAILED_SIGN_INS_PER_LOGIN, SLOW_SIGN_INS_PER_LOGIN, RateLimit, RateLimitExceeded
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from journal.models import JournalEntry
from tests.accounts.recovery.recovering import at_once
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import NEXT
from tests.fuzz import PASSWORD as PASSWORD_PACK
from tests.normalised import normalised_answer
from tests.signing_in import let_in

pytestmark = pytest.mark.django_db

WRONG = "pas-le-bon-mot-de-passe"


@pytest.fixture(autouse=True)
def in_french():
    with translation.override("fr"):
        yield


def signed_in(browser: Client) -> bool:
    return browser.get(reverse("account")).status_code == 200


def sign_in_as(browser: Client, person: Account, password: str = A_GOOD_PASSWORD, **fields: str) -> HttpResponse:
    return browser.post(reverse("login"), {"login": person.login, "password": password, **fields})


def locked_person() -> Account:
    person = active_account()
    lock_account(account=person, reason=LockReason.PHISHING)
    return person


def departed_person() -> Account:
    return active_account(end_date=timezone.localdate() - timedelta(days=1))


def somebody_unknown() -> Account:
    return Account(institutional_address="personne.inconnue@univ-exemple.fr")


def somebody_to_reactivate() -> Account:
    person = active_account()
    person.set_unusable_password()
    person.save()
    return person


def test_an_active_person_signs_in_and_out(visitor):
    person = active_account()

    response = sign_in_as(visitor, person)

    assert response["Location"] == reverse("account")
    page = visitor.get(reverse("account")).content.decode()
    assert person.login in page
    assert person.recovery_address in page
    assert visitor.post(reverse("logout"))["Location"] == reverse("home")
    assert not signed_in(visitor)
    events = list(person.journal.order_by("pk").values_list("event", flat=True))
    assert events[-2:] == [Event.SIGNED_IN, Event.SIGNED_OUT]


def test_every_failure_gets_one_same_answer():
    """ENU-02: unknown, wrong password, pending, locked, departed, to be reactivated."""
    tries = [
        (active_account(), WRONG),
        (locked_person(), WRONG),
        (pending_account(), WRONG),
        (pending_account(), A_GOOD_PASSWORD),
        (departed_person(), WRONG),
        (departed_person(), A_GOOD_PASSWORD),
        (somebody_to_reactivate(), A_GOOD_PASSWORD),
        (somebody_unknown(), A_GOOD_PASSWORD),
    ]

    answers = {normalised_answer(sign_in_as(Client(), person, password), person.login) for person, password in tries}

    assert len(answers) == 1
    answer = answers.pop()
    assert answer.status == 200
    assert "ne correspond pas" in answer.body
    assert "Erreur" in answer.body.split("</title>")[0]
    assert reverse("locked-help") in answer.body
    assert WRONG not in answer.body
    assert A_GOOD_PASSWORD not in answer.body


@pytest.mark.parametrize(
    "make",
    [active_account, locked_person, pending_account, departed_person, somebody_to_reactivate, somebody_unknown],
)
def test_every_failure_costs_the_same_work(visitor, monkeypatch, make):
    """ENU-03: one hash and as many queries, whoever is asked for."""
    person, hashes = make(), []
    real = sign_in.make_password
    monkeypatch.setattr(sign_in, "make_password", lambda password: hashes.append(1) or real(password))
    real_check = sign_in.check_password
    monkeypatch.setattr(sign_in, "check_password", lambda *given: hashes.append(1) or real_check(*given))

    with CaptureQueriesContext(connection) as queries:
        sign_in_as(visitor, person, WRONG)

    assert len(hashes) == 1
    assert [query["sql"].split(" ")[0] for query in queries] == ["SELECT", "INSERT"]


def test_only_the_right_password_is_told_of_the_lock(visitor):
    """Design §3, HLP-01."""
    person = locked_person()

    told = sign_in_as(visitor, person)

    assert told["Location"] == reverse("locked-help")
    assert not signed_in(visitor)
    assert sign_in_as(visitor, person, WRONG).status_code == 200


def test_a_lock_ends_every_session_at_once():
    """SES-05, HLP-01: the next request of each browser is anonymous."""
    person = active_account()
    browsers = [Client(), Client(), Client()]
    for browser in browsers:
        sign_in_as(browser, person)
    assert all(signed_in(browser) for browser in browsers)

    lock_account(account=person, reason=LockReason.SUSPICIOUS_ACTIVITY)

    assert not any(signed_in(browser) for browser in browsers)


@pytest.mark.parametrize(
    "change",
    [
        {"end_date": timezone.localdate() - timedelta(days=1)},
        {"password": make_password("une-autre-phrase-de-passe")},
        {"password": make_password(None)},
        "a lock",
    ],
)
def test_a_departure_a_lock_or_another_password_ends_every_session(visitor, change):
    """SES-05: the facts alone do, read again on each request; nobody has to look for the sessions."""
    person = active_account()
    sign_in_as(visitor, person)

    if change == "a lock":
        Lock.objects.create(account=person, reason=LockReason.PHISHING)
    else:
        Account.objects.filter(pk=person.pk).update(**change)

    assert not signed_in(visitor)


def test_signing_in_opens_a_new_session(visitor):
    """SES-01: a planted session stays anonymous and nothing of it is kept."""
    person = active_account()
    visitor.post(reverse("first-connection"), {"login": "quelqu.un"})
    planted = visitor.session.session_key

    sign_in_as(visitor, person)

    assert visitor.session.session_key != planted
    assert "login_asked" not in visitor.session
    attacker = Client()
    attacker.cookies["sessionid"] = planted
    assert not signed_in(attacker)


def test_a_session_that_was_left_cannot_be_replayed(visitor):
    """SES-05: signing out ends it on the server."""
    sign_in_as(visitor, active_account())
    stolen = Client()
    stolen.cookies["sessionid"] = visitor.cookies["sessionid"].value
    assert signed_in(stolen)

    visitor.post(reverse("logout"))

    assert not signed_in(stolen)


def test_signing_out_needs_a_post(visitor):
    """SES-07."""
    sign_in_as(visitor, active_account())

    assert visitor.get(reverse("logout")).status_code == 405
    assert signed_in(visitor)


def test_signing_in_and_out_need_the_token_of_a_form():
    """SES-07."""
    browser = Client(enforce_csrf_checks=True)

    assert sign_in_as(browser, active_account()).status_code == 403
    assert browser.post(reverse("logout")).status_code == 403


@pytest.mark.parametrize(
    "typed", ["jean.essai", "JEAN.ESSAI", " Jean.Essai@Univ-Exemple.fr ", "jean.essai@UNIV-EXEMPLE.FR"]
)
def test_the_login_may_be_typed_as_people_type(visitor, typed):
    active_account(given_name="Jean", family_name="Essai")

    visitor.post(reverse("login"), {"login": typed, "password": A_GOOD_PASSWORD})

    assert signed_in(visitor)


@pytest.mark.parametrize(
    "twin", ["k\u0131m.essai", "\u212aim.essai", "kim.essai@un\u0131v-exemple.fr", "kim.essai\u200b"]
)
def test_a_look_alike_of_a_login_is_nobody(visitor, twin):
    """INP-03."""
    active_account(given_name="Kim", family_name="Essai")

    response = visitor.post(reverse("login"), {"login": twin, "password": A_GOOD_PASSWORD})

    assert response.status_code == 200
    assert not signed_in(visitor)


@pytest.mark.parametrize(("chosen", "typed"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_both_spellings_of_an_accent_sign_in(visitor, chosen, typed):
    """PWD-04: what is stored is NFC, whatever the keyboard sends."""
    password = "Éléphant-été-violet"
    person = active_account(password=unicodedata.normalize("NFC", unicodedata.normalize(chosen, password)))

    sign_in_as(visitor, person, unicodedata.normalize(typed, password))

    assert signed_in(visitor)


@pytest.mark.parametrize(
    "typed", [f" {A_GOOD_PASSWORD}", f"{A_GOOD_PASSWORD} ", A_GOOD_PASSWORD.upper(), A_GOOD_PASSWORD[:-1]]
)
def test_a_password_is_needed_to_the_letter(visitor, typed):
    """PWD-02, PWD-04: spaces count, nothing is cut."""
    sign_in_as(visitor, active_account(), typed)

    assert not signed_in(visitor)


class OtherParameters(Argon2PasswordHasher):
    """Neither those of the tests nor as slow as Django's."""

    memory_cost, time_cost, parallelism = 128, 1, 1


OLDER = {
    "another algorithm": lambda: PBKDF2PasswordHasher().encode(A_GOOD_PASSWORD, "salt", iterations=10),
    "other parameters": lambda: OtherParameters().encode(A_GOOD_PASSWORD, "saltsaltsalt"),
}


@pytest.fixture(params=OLDER)
def person_with_an_older_hash(request) -> Account:
    person = active_account()
    Account.objects.filter(pk=person.pk).update(password=OLDER[request.param]())
    return Account.objects.get(pk=person.pk)


def test_an_older_hash_is_upgraded_at_sign_in(visitor, person_with_an_older_hash, postman):
    """PWD-05: also one of other parameters; it is no change of password, and nobody is told of one."""
    person = person_with_an_older_hash

    sign_in_as(visitor, person)

    person.refresh_from_db()
    assert person.password.startswith(f"argon2$argon2id$v=19$m={django_settings.ARGON2_MEMORY_KIB},")
    assert signed_in(visitor)
    assert postman.deliver() == []
    assert not person.journal.filter(event=Event.PASSWORD_CHANGED).exists()
    upgraded = person.password
    sign_in_as(Client(), person)
    person.refresh_from_db()
    assert person.password == upgraded


def test_an_upgrade_ends_the_sessions_that_the_older_hash_holds_and_lists_none_of_them(person_with_an_older_hash):
    """PWD-05, SES-05: once, after the operators have changed the parameters; never the one that begins."""
    person = person_with_an_older_hash
    elsewhere, here = Client(), Client()
    elsewhere.force_login(person)

    sign_in_as(here, person)

    assert not signed_in(elsewhere)
    assert signed_in(here)
    assert len(here.get(reverse("account-sessions")).context["sessions"]) == 1


def test_the_password_given_again_in_a_session_upgrades_nothing_and_ends_nothing(person_with_an_older_hash):
    """SES-08: whoever confirms a change is not thrown out by it."""
    person, browser = person_with_an_older_hash, Client()
    browser.force_login(person)

    browser.post(reverse("account-recovery"), {"address": "nouvelle@exemple.org", "current_password": A_GOOD_PASSWORD})

    assert signed_in(browser)
    assert Account.objects.get(pk=person.pk).password == person.password


def test_an_upgrade_never_brings_back_a_password_that_was_changed_meanwhile(
    visitor, monkeypatch, person_with_an_older_hash
):
    """PWD-05: the old one was checked, the new one was saved, and only then was there something to upgrade."""
    person = person_with_an_older_hash
    real = sign_in.upgrade_hash

    def changed_first(*, account: Account, password: str) -> bool:
        change_password(account=Account.objects.get(pk=account.pk), password="une-phrase-du-bureau-bleu")
        return real(account=account, password=password)

    monkeypatch.setattr(sign_in, "upgrade_hash", changed_first)
    answer = sign_in_as(visitor, person)

    assert "ne correspond pas" in answer.content.decode()
    assert not signed_in(visitor)
    assert Account.objects.get(pk=person.pk).check_password("une-phrase-du-bureau-bleu")


@pytest.mark.django_db(transaction=True)
def test_a_double_click_on_the_button_of_the_sign_in_signs_in():
    """PWD-05: both find an older hash, and one is faster."""
    for _ in range(4):
        person = active_account()
        Account.objects.filter(pk=person.pk).update(password=OLDER["other parameters"]())
        browsers = [Client(), Client()]

        answers = at_once(*(lambda browser=browser: sign_in_as(browser, person) for browser in browsers))

        assert [answer.status_code for answer in answers] == [302, 302]
        assert any(map(signed_in, browsers))


def test_the_next_page_is_always_one_of_the_portal():
    """INP-08, the NEXT pack: GET and POST, in the address and in the form."""
    person = active_account()
    for target in (*NEXT, "/\\\\evil.example", "http://evil.example", "/deconnexion/"):
        browser = Client()
        page = browser.get(reverse("login"), {"next": target})

        response = sign_in_as(browser, person, next=target)

        assert (page.status_code, response.status_code) == (200, 302), target
        assert urlsplit(urljoin("http://testserver/connexion/", response["Location"])).netloc == "testserver", target
        assert "\n" not in response["Location"], target


@pytest.mark.parametrize(
    "target", ["/deconnexion/", "/compte/sessions/toutes/", "/compte/sessions/autres/", "/nulle-part/", "/compte/\x00"]
)
def test_one_is_led_to_no_page_that_would_be_an_error(visitor, target):
    """SES-04: a button that was pressed after the session had ended is not pressed again by signing in."""
    response = sign_in_as(visitor, active_account(), next=target)

    assert response["Location"] == reverse("account")


def test_one_comes_back_to_the_page_one_wanted(visitor):
    person = active_account()
    asked = visitor.get(reverse("account"))

    page = visitor.get(asked["Location"]).content.decode()
    response = sign_in_as(visitor, person, next=reverse("account"))

    assert f'name="next" value="{reverse("account")}"' in page
    assert response["Location"] == reverse("account")


def test_after_five_failures_this_client_waits_and_the_owner_elsewhere_does_not():
    """ENU-07: guessing is slowed; nobody locks somebody else out; no failure ever locks the account."""
    person = active_account()
    guesser, owner = Client(REMOTE_ADDR="203.0.113.5"), Client(REMOTE_ADDR="198.51.100.5")

    answers = [sign_in_as(guesser, person, WRONG).status_code for _ in range(6)]
    slowed = sign_in_as(guesser, person)
    sign_in_as(owner, person)

    assert answers == [200] * 5 + [429]
    assert slowed.status_code == 429
    assert 60 < int(slowed["Retry-After"]) <= 121
    assert "Trop d’essais" in slowed.content.decode()
    assert not signed_in(guesser)
    assert signed_in(owner)
    assert not Account.objects.get(pk=person.pk).is_locked


def counters_run_out(seconds: int) -> None:
    """As after that many seconds, as far as the counters in Redis are concerned."""
    with Redis.from_url(django_settings.REDIS_URL) as redis:
        for key in list(redis.scan_iter("*")):
            left = redis.ttl(key)
            redis.delete(key) if left <= seconds else redis.expire(key, left - seconds)


def test_the_wait_grows():
    """ENU-07: five tries in two minutes, eight in a quarter of an hour, twelve in an hour, twenty in a day."""
    person, guesser, waits = active_account(), Client(REMOTE_ADDR="203.0.113.5"), {}
    for number in range(20):
        answer = sign_in_as(guesser, person, WRONG)
        if answer.status_code == 429:
            waits[number] = int(answer["Retry-After"])
            counters_run_out(waits[number])
            answer = sign_in_as(guesser, person, WRONG)
        assert answer.status_code == 200, number
    waits[20] = int(sign_in_as(guesser, person)["Retry-After"])

    assert list(waits) == [5, 8, 12, 17, 20]
    # Less the seconds that this took.
    assert [waits[number] for number in (5, 8, 12, 17)] == pytest.approx([121, 781, 2701, 121], abs=60)
    assert waits[20] > 22 * 60 * 60


def test_an_unknown_login_is_slowed_like_a_known_one():
    """ENU-02, D7: the wait tells nothing."""
    answers = []
    for person in (active_account(), somebody_unknown()):
        browser = Client(REMOTE_ADDR="203.0.113.6")
        answers.append([normalised_answer(sign_in_as(browser, person, WRONG), person.login).status for _ in range(7)])

    assert answers[0] == answers[1]


def test_every_spelling_of_a_login_shares_one_count():
    """ENU-07: case, blanks and the domain left out do not give more tries."""
    person = active_account(given_name="Jean", family_name="Essai")
    browser = Client(REMOTE_ADDR="203.0.113.7")
    spellings = ["jean.essai", "JEAN.ESSAI", " jean.essai ", "jean.essai@univ-exemple.fr", "Jean.Essai@UNIV-EXEMPLE.FR"]

    for spelling in spellings:
        browser.post(reverse("login"), {"login": spelling, "password": WRONG})

    assert sign_in_as(browser, person).status_code == 429


def test_a_success_forgets_the_failures_before_it(visitor):
    person = active_account()
    for _ in range(4):
        sign_in_as(visitor, person, WRONG)
    sign_in_as(visitor, person)
    visitor.post(reverse("logout"))

    answers = [sign_in_as(visitor, person, WRONG).status_code for _ in range(5)]

    assert answers == [200] * 5


def guess(person: Account, address: str) -> type[Exception]:
    with (
        use_request_context(RequestContext("web", address)),
        pytest.raises((LoginRefused, RateLimitExceeded)) as refused,
    ):
        sign_in.authenticate(login=person.login, password=WRONG)
    return refused.type


def test_a_crowd_that_guesses_keeps_nobody_out():
    """ENU-07: 300 failures from many places. The owner's own client signs in at once, even after a slip; a client new
    to the owner is slowed, not locked out; and the account is never locked.
    """
    person = active_account()
    at_home = {"REMOTE_ADDR": "2001:db8:1:2:3::4"}
    sign_in_as(Client(**at_home), person)

    outcomes = Counter(guess(person, f"198.51.{number // 250}.{number % 250}") for number in range(300))

    assert outcomes[LoginRefused] <= 102
    assert outcomes[RateLimitExceeded] >= 198
    moved = Client(REMOTE_ADDR="2001:db8:1:2:ffff::1")
    assert sign_in_as(moved, person, WRONG).status_code == 200
    sign_in_as(moved, person)
    assert signed_in(moved)
    new_place = Client(REMOTE_ADDR="203.0.113.99")
    slowed = sign_in_as(new_place, person)
    assert slowed.status_code == 429
    assert 0 < int(slowed["Retry-After"]) <= 61
    SLOW_SIGN_INS_PER_LOGIN.forget(person.login)
    sign_in_as(new_place, person)
    assert signed_in(new_place)
    assert not Account.objects.get(pk=person.pk).is_locked


def test_a_client_of_long_ago_is_a_new_one(time_machine):
    """ENU-07: after thirty days somebody else may live there."""
    person = active_account()
    start = timezone.now()
    time_machine.move_to(start - timedelta(days=30, minutes=1))
    sign_in_as(Client(REMOTE_ADDR="198.51.100.30"), person)
    time_machine.move_to(start - timedelta(days=29))
    sign_in_as(Client(REMOTE_ADDR="198.51.100.29"), person)
    time_machine.move_to(start)
    for _ in range(100):
        FAILED_SIGN_INS_PER_LOGIN.count(person.login)
    SLOW_SIGN_INS_PER_LOGIN.count(person.login)

    assert sign_in_as(Client(REMOTE_ADDR="198.51.100.30"), person).status_code == 429
    assert sign_in_as(Client(REMOTE_ADDR="198.51.100.29"), person).status_code == 302


def test_what_is_no_login_is_counted_each_for_itself(visitor):
    """ENU-07: a campus mistypes all day; one person's slip is not the next one's. Nor is what they typed kept."""
    statuses = [
        visitor.post(reverse("login"), {"login": f"prénom nom {number}", "password": WRONG}).status_code
        for number in range(12)
    ]

    assert statuses == [200] * 12
    with Redis.from_url(django_settings.REDIS_URL) as redis:
        assert not any("nom" in key.decode() for key in redis.scan_iter("*"))


def test_one_password_tried_on_many_accounts_is_slowed():
    """ENU-07: spraying from one client; after a hundred accounts no other is looked at."""
    people = (Account(institutional_address=f"personne{number}@univ-exemple.fr") for number in range(110))

    outcomes = Counter(guess(person, "203.0.113.8") for person in people)

    assert outcomes == {LoginRefused: 100, RateLimitExceeded: 10}
    answer = sign_in_as(Client(REMOTE_ADDR="203.0.113.8"), active_account())
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 15 * 60 + 1


def test_the_password_pack_signs_nobody_in(visitor):
    """F2, PWD-02."""
    person = active_account(password="une-phrase-du-bureau-bleu")
    for number, (value, _wanted) in enumerate(PASSWORD_PACK):
        visitor.defaults["REMOTE_ADDR"] = f"198.51.100.{number}"

        assert sign_in_as(visitor, person, value).status_code in (200, 400), value[:30]
        assert not signed_in(visitor)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(login=st.text(max_size=50), password=st.text(max_size=50))
def test_whatever_is_typed_gets_a_page(no_slowing, login, password):
    """INP-01."""
    assert Client().post(reverse("login"), {"login": login, "password": password}).status_code == 200


@pytest.fixture
def no_slowing(monkeypatch) -> None:
    """Hypothesis is more eager than any robot."""
    for name in ("FAILED_SIGN_INS_PER_CLIENT", "FAILED_SIGN_INS_PER_LOGIN_AND_CLIENT"):
        monkeypatch.setattr(sign_in, name, RateLimit(name.lower(), "100000/hour"))


@pytest.mark.parametrize("method", ["put", "delete", "patch", "trace"])
def test_other_methods_are_refused(visitor, method):
    """HDR-05."""
    assert getattr(visitor, method)(reverse("login")).status_code == 405


def test_failures_are_in_the_journal_of_known_and_unknown_alike(visitor):
    """LOG-01: without what was typed, which is sometimes a password in the wrong field."""
    person = active_account()

    sign_in_as(visitor, person, WRONG)
    visitor.post(reverse("login"), {"login": WRONG, "password": person.login})

    failures = JournalEntry.objects.filter(event=Event.SIGN_IN_FAILED).order_by("pk")
    assert [failure.account_id for failure in failures] == [person.pk, None]
    assert WRONG not in str(list(failures.values()))


def test_personal_pages_are_never_cached(visitor):
    """HDR-04."""
    sign_in_as(visitor, active_account())

    for name in ("account", "login"):
        assert "no-store" in visitor.get(reverse(name))["Cache-Control"]


def test_the_tests_own_short_way_in_leaves_what_the_page_leaves():
    """Most tests begin with somebody signed in and take `let_in`, which is faster."""
    with time_machine.travel("2026-06-10T10:00:00Z", tick=False):
        by_the_page, by_the_short_way = active_account(), active_account()
        visitor, other = Client(), Client()
        sign_in_as(visitor, by_the_page)
        let_in(other, by_the_short_way)

    def left(person: Account, browser: Client) -> tuple[object, ...]:
        own = {SESSION_KEY: "", HASH_SESSION_KEY: ""}
        row = Session.objects.filter(account=person).values("device", "client_address", "signed_in_at", "last_seen_at")
        entries = JournalEntry.objects.filter(account=person).order_by("pk")
        told = entries.values("event", "actor_id", "source", "client_address", "device", "details")
        return (
            dict(browser.session) | own,
            row.get(),
            Account.objects.values_list("last_login", flat=True).get(pk=person.pk),
            [one | {"actor_id": one["actor_id"] == person.pk} for one in told],
        )

    assert left(by_the_page, visitor) == left(by_the_short_way, other)
