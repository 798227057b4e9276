"""The door of the university's security systems: it locks, and does nothing else (HLP-01)."""

import json
from hashlib import sha256

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.enums import LockReason
from accounts.locking.api import LARGEST_BODY, MOST_ACCOUNTS
from accounts.models import Account, Lock, Session
from accounts.templatetags.accounts import author
from config.env import checked_security_keys
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.factories import active_account, pending_account
from tests.fuzz import HTTP, N
from tests.headers import assert_headers
from tests.locking import fresh, locked_person

pytestmark = pytest.mark.django_db

ADDRESS = "/api/blocages/"
KEY, NEXT_KEY, OF_ANOTHER = "k" * 43, "n" * 64, "z" * 32


def digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


@pytest.fixture(autouse=True)
def keys(settings) -> None:
    settings.SECURITY_API_KEYS = [("siem", digest(KEY)), ("siem", digest(NEXT_KEY)), ("soar", digest(OF_ANOTHER))]


@pytest.fixture
def person() -> Account:
    return active_account()


def call(sent: object, *, key: str | None = KEY, **more) -> HttpResponse:
    """What a system sends; `sent` as JSON unless it is bytes already."""
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    headers = {"authorization": f"Bearer {key}"} if key is not None else {}
    system = Client(raise_request_exception=False, enforce_csrf_checks=True)
    return system.post(
        ADDRESS, body, content_type="application/json", headers=headers | more.pop("headers", {}), **more
    )


def order(*names: str, **more: object) -> dict[str, object]:
    return {"accounts": list(names), "reason": "phishing", **more}


def answers(response: HttpResponse) -> list[str]:
    return [one["answer"] for one in response.json()["accounts"]]


class TestLocking:
    def test_one_account_or_a_list_each_with_its_answer(self, person):
        """HLP-01: by address or short name; who is unknown is said, the caller is the university."""
        other, before = pending_account(), locked_person()

        response = call(order(person.login, other.uid.upper(), before.login, "personne", comment="Vague du 3 octobre"))

        assert response.status_code == 200
        assert response.json() == {
            "accounts": [
                {"account": person.login, "answer": "locked"},
                {"account": other.uid.upper(), "answer": "locked"},
                {"account": before.login, "answer": "already-locked"},
                {"account": "personne", "answer": "unknown"},
            ]
        }
        kept = Lock.objects.get(account=person)
        assert (kept.reason, kept.locked_by_system, kept.comment) == ("phishing", "siem", "Vague du 3 octobre")
        assert_headers(response)

    def test_the_journal_tells_which_system_from_where(self, person):
        """LOG-01"""
        call(order(person.uid), key=OF_ANOTHER)

        entry = person.journal.get(event=Event.LOCKED)
        assert entry.details == {"reason": "phishing", "system": "soar"}
        assert (entry.source, entry.client_address, entry.actor) == ("web", "127.0.0.1", None)
        assert entry.request_id

    def test_the_person_reads_that_nobody_clicked_a_link(self, person):
        """The history names no link that was opened: a system did it."""
        call(order(person.uid))

        assert author(person.journal.get(event=Event.LOCKED)) == "Automatique"

    def test_the_person_is_told(self, person):
        call(order(person.uid))

        assert Message.objects.get().kind == Kind.ACCOUNT_LOCKED

    def test_called_twice_is_called_once(self, person):
        assert answers(call(order(person.uid))) == ["locked"]
        assert answers(call(order(person.uid, reason="other"))) == ["already-locked"]
        assert Lock.objects.get().reason == LockReason.PHISHING

    def test_five_hundred_cost_as_many_statements_as_two(self):
        """HLP-01: a phishing wave in one call."""
        few, many = [active_account() for _ in range(2)], [pending_account() for _ in range(500)]
        with CaptureQueriesContext(connection) as of_few:
            call(order(*(person.uid for person in few)))
        with CaptureQueriesContext(connection) as of_many:
            response = call(order(*(person.login for person in many)))

        assert answers(response) == ["locked"] * 500
        assert len(of_many) == len(of_few)

    def test_a_call_makes_no_session_and_no_cookie(self, person):
        """SES-07: without a cookie there is nothing that another site could use."""
        response = call(order(person.uid))

        assert not response.cookies
        assert not Session.objects.exists()


class TestKeys:
    @pytest.mark.parametrize("key", [KEY, NEXT_KEY])
    def test_a_system_may_have_two_while_they_are_rotated(self, person, key):
        assert call(order(person.uid), key=key).status_code == 200
        assert Lock.objects.get().locked_by_system == "siem"

    @pytest.mark.parametrize(
        "key", [None, "", " ", "x", KEY[:-1], KEY + "k", KEY.upper(), digest(KEY), "é" * 40, "\x01" * 40]
    )
    def test_without_a_known_one_nothing_is_done(self, person, key):
        response = call(order(person.uid), key=key)

        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        assert response.json()["error"]
        assert not fresh(person).is_locked

    @pytest.mark.parametrize("header", [f"Basic {KEY}", KEY, f"Token {KEY}", "Bearer", f"Bearer{KEY}"])
    def test_no_other_scheme_is_understood(self, person, header):
        assert call(order(person.uid), key=None, headers={"authorization": header}).status_code == 401

    def test_a_key_is_taken_from_no_other_place(self, person):
        """It would be in logs."""
        response = Client().post(f"{ADDRESS}?key={KEY}", json.dumps(order(person.uid)), content_type="application/json")

        assert response.status_code == 401

    def test_a_short_key_is_never_taken(self, person, settings):
        """Whatever the settings hold: its digest would give it away."""
        settings.SECURITY_API_KEYS = [("siem", digest("secret"))]

        assert call(order(person.uid), key="secret").status_code == 401

    def test_without_keys_there_is_no_such_address(self, person, settings):
        settings.SECURITY_API_KEYS = []

        assert call(order(person.uid)).status_code == 404
        assert not fresh(person).is_locked

    def test_somebody_signed_in_is_nobody_here(self, person):
        """Scope: a person's session, an agent's too, opens nothing."""
        browser = Client()
        browser.force_login(active_account(is_staff=True))

        assert browser.post(ADDRESS, json.dumps(order(person.uid)), content_type="application/json").status_code == 401

    def test_a_key_opens_nothing_else(self, person):
        """Scope: lock only."""
        call(order(person.uid))

        for name in ("account", "account-data", "account-history"):
            answer = Client().get(reverse(name), headers={"authorization": f"Bearer {KEY}"})
            assert answer.status_code == 302, name
        assert call({**order(person.uid), "release": True}).status_code == 422
        assert fresh(person).is_locked

    def test_guessing_is_slowed_and_the_right_key_is_not(self, person):
        """ENU-06"""
        tried = [call(order(person.uid), key="x" * 40) for _ in range(11)]

        assert [one.status_code for one in tried] == [401] * 10 + [429]
        assert int(tried[-1]["Retry-After"]) > 0
        assert tried[-1].json()["error"]
        assert call(order(person.uid)).status_code == 200

    def test_a_system_that_runs_wild_waits_alone(self, person):
        statuses = [call(order("personne")).status_code for _ in range(121)]

        assert statuses == [200] * 120 + [429]
        assert call(order("personne"), key=NEXT_KEY).status_code == 429
        assert call(order(person.uid), key=OF_ANOTHER).status_code == 200


class TestBodies:
    @pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
    def test_only_post_is_understood(self, method):
        """HDR-05"""
        response = getattr(Client(), method)(ADDRESS, headers={"authorization": f"Bearer {KEY}"})

        assert response.status_code == 405
        assert response["Allow"] == "POST"
        assert response["Content-Type"] == "application/json"
        assert_headers(response)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"accounts=a&reason=phishing",
            b"\xff\xfe",
            b"\x00" * 50,
            b'{"accounts": ["a"], "reason": "phishing"',
            b"[" * 60_000,
            b'{"a":' * 10_000,
            b"1" * 5_000,
            b"'{}'",
        ],
        ids=range(10),
    )
    def test_what_is_no_json_is_told_so(self, body):
        """INP-01"""
        response = call(body)

        assert response.status_code == 400
        assert response.json()["error"]

    @pytest.mark.parametrize(
        "sent",
        [
            *([], "phishing", 1, None, True, {}),
            {"accounts": ["a"]},
            {"reason": "phishing"},
            *(order(accounts=wrong) for wrong in ("a", [], {}, None, 1, [1], ["a", None], [["a"]], [{"a": 1}])),
            *(order("a", reason=wrong) for wrong in ("", "PHISHING", "hameçonnage", None, 1, ["phishing"], {}, "\x00")),
            *(order("a", comment=wrong) for wrong in (None, 1, ["a"], "x" * 501, "a\nb", "a\x00b", "\ud800", "\u202e")),
            order("a", is_staff=True),
        ],
    )
    def test_what_is_wrong_is_told_in_plain_words(self, sent):
        """INP-01: nothing is guessed, nobody is locked."""
        response = call(sent)

        assert response.status_code == 422
        assert response.json()["error"]
        assert not Lock.objects.exists()

    @pytest.mark.parametrize("name", [*N, "", " ", "\ud800", "a" * 10_000, "%", "' OR 1=1 --"])
    def test_a_hostile_name_is_unknown(self, person, name):
        """INP-01, INP-02: in a list with others, which are locked."""
        response = call(order(name, person.uid))

        if len(json.dumps(name)) > LARGEST_BODY:
            assert response.status_code == 413
        else:
            assert answers(response) == ["unknown", "locked"]
            assert response.json()["accounts"][0]["account"] == name

    def test_a_list_that_is_too_long_is_refused_whole(self, person):
        response = call(order(*["a"] * MOST_ACCOUNTS, person.uid))

        assert response.status_code == 413
        assert not Lock.objects.exists()

    @pytest.mark.parametrize("size", [LARGEST_BODY + 1, 3_000_000])
    def test_a_body_that_is_too_large_is_refused_unread(self, size):
        assert call(b" " * size).status_code == 413

    @pytest.mark.parametrize("length", ["beaucoup", "-1"])
    def test_a_length_that_is_none_is_no_error_of_ours(self, person, length):
        response = call(order(person.uid), CONTENT_LENGTH=length)

        assert response.status_code == 400

    def test_headers_of_the_pack_are_no_error_of_ours(self, person):
        """§17 HTTP"""
        for line in HTTP:
            name, _colon, value = line.partition(": ")
            if value and name.isascii() and " " not in name and name not in ("Host", "Authorization"):
                assert call(order(person.uid), headers={name: value}).status_code < 500, line

    def test_errors_are_in_the_language_of_the_caller(self):
        assert call([], headers={"accept-language": "fr"}).json()["error"].startswith("Envoyez un objet")


class TestSettings:
    def test_names_and_digests_are_read(self):
        listed = [f"siem:{digest(KEY)}", f" siem:{digest(NEXT_KEY)} "]

        assert checked_security_keys(listed) == [("siem", digest(KEY)), ("siem", digest(NEXT_KEY))]
        assert checked_security_keys([]) == []

    @pytest.mark.parametrize(
        "listed",
        [
            [KEY],
            [f"siem:{KEY}"],
            [f"SIEM:{digest(KEY)}"],
            [f":{digest(KEY)}"],
            [f"siem:{digest(KEY).upper()}"],
            [f"siem:{digest(KEY)}:x"],
            [digest(KEY)],
            [""],
            [f"siem:{digest(KEY)}", f"soar:{digest(KEY)}"],
        ],
    )
    def test_anything_else_stops_the_portal_without_being_told(self, listed):
        """SUP-02: a key in clear, put there by mistake, does not end up in a log."""
        with pytest.raises(ImproperlyConfigured, match="SECURITY_API_KEYS") as refused:
            checked_security_keys(listed)
        assert KEY not in str(refused.value)
