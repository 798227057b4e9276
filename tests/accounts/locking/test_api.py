"""The API with which the university's security systems lock accounts, and nothing else (HLP-01)."""

import json
from hashlib import sha256

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.locking.api import LARGEST_BODY, MOST_ACCOUNTS
from accounts.models import Account, Lock, Session
from accounts.templatetags.accounts import author
from config.env import checked_security_keys
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.factories import active_account, pending_account, reloaded
from tests.fuzz import N
from tests.headers import assert_headers
from tests.locking import locked_account

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


def call(body: object, *, key: str | None = KEY, **more) -> HttpResponse:
    """Send `body` as JSON, or as it is when it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}"} if key is not None else {}
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    headers |= more.pop("headers", {})
    return client.post(ADDRESS, content, content_type="application/json", headers=headers, **more)


def order(*names: str, **more: object) -> dict[str, object]:
    return {"accounts": list(names), "reason": "phishing", **more}


def answers(response: HttpResponse) -> list[str]:
    return [one["answer"] for one in response.json()["accounts"]]


class TestLocking:
    def test_each_account_gets_its_answer_and_the_journal_names_the_system(self, person):
        """HLP-01, LOG-01, SES-07: idempotent; no session, no cookie."""
        other, before = pending_account(), locked_account()

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
        assert_headers(response)
        assert not response.cookies
        assert not Session.objects.exists()
        assert answers(call(order(person.uid, reason="other"))) == ["already-locked"]
        kept = Lock.objects.get(account=person)
        assert (kept.reason, kept.locked_by_system, kept.comment) == ("phishing", "siem", "Vague du 3 octobre")
        entry = person.journal.get(event=Event.LOCKED)
        assert entry.details == {"reason": "phishing", "system": "siem"}
        assert (entry.source, entry.client_address, entry.actor) == ("web", "127.0.0.1", None)
        assert entry.request_id
        assert author(entry) == "Automatique"
        assert Message.objects.get(person=person).kind == Kind.ACCOUNT_LOCKED


class TestKeys:
    def test_without_a_known_key_nothing_is_done(self, person):
        for number, key in enumerate(
            [None, "", " ", "x", KEY[:-1], KEY + "k", KEY.upper(), digest(KEY), "é" * 40, "\x01" * 40]
        ):
            response = call(order(person.uid), key=key, REMOTE_ADDR=f"203.0.113.{number}")
            assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer"), key
            assert response.json()["error"]
        for header in (f"Basic {KEY}", KEY, f"Token {KEY}", "Bearer", f"Bearer{KEY}"):
            assert call(order(person.uid), key=None, headers={"authorization": header}).status_code == 401
        in_url = Client().post(f"{ADDRESS}?key={KEY}", json.dumps(order(person.uid)), content_type="application/json")
        assert in_url.status_code == 401
        browser = Client(REMOTE_ADDR="203.0.113.99")
        browser.force_login(active_account(is_staff=True))
        assert browser.post(ADDRESS, json.dumps(order(person.uid)), content_type="application/json").status_code == 401
        assert not reloaded(person).is_locked

    def test_a_system_may_have_two_keys_but_no_short_one_and_without_keys_there_is_no_such_page(self, person, settings):
        for key in (KEY, NEXT_KEY):
            assert call(order(person.uid), key=key).status_code == 200
        assert Client().get(reverse("account"), headers={"authorization": f"Bearer {KEY}"}).status_code == 302
        settings.SECURITY_API_KEYS = [("siem", digest("secret"))]
        assert call(order(person.uid), key="secret").status_code == 401
        settings.SECURITY_API_KEYS = []
        assert call(order(person.uid)).status_code == 404

    def test_wrong_keys_and_calls_are_limited(self, person):
        """ENU-06: a client with wrong keys, and a system, without stopping the others."""
        tried = [call(order(person.uid), key="x" * 40) for _ in range(11)]
        assert [one.status_code for one in tried] == [401] * 10 + [429]
        assert int(tried[-1]["Retry-After"]) > 0
        assert tried[-1].json()["error"]
        assert [call(order("personne")).status_code for _ in range(121)] == [200] * 120 + [429]
        assert call(order("personne"), key=NEXT_KEY).status_code == 429
        assert call(order(person.uid), key=OF_ANOTHER).status_code == 200


class TestBodies:
    def test_only_post_is_allowed(self):
        """HDR-05"""
        for method in ("get", "head", "put", "patch", "delete", "options"):
            response = getattr(Client(), method)(ADDRESS, headers={"authorization": f"Bearer {KEY}"})
            assert (response.status_code, response["Allow"]) == (405, "POST")
            assert response["Content-Type"] == "application/json"
            assert_headers(response)

    def test_what_is_not_json_is_refused(self, person):
        """INP-01"""
        for body in (
            *(b"", b"{", b"accounts=a&reason=phishing", b"\xff\xfe", b"\x00" * 50, b'{"accounts": ["a"], "reason"'),
            *(b"[" * 60_000, b'{"a":' * 10_000, b"1" * 5_000, b"'{}'"),
        ):
            response = call(body)
            assert response.status_code == 400, body[:50]
            assert response.json()["error"]
        for length in ("beaucoup", "-1"):
            assert call(order(person.uid), CONTENT_LENGTH=length).status_code == 400

    def test_what_is_invalid_is_explained(self, person):
        """INP-01"""
        for body in (
            *([], "phishing", 1, None, True, {}),
            {"accounts": ["a"]},
            {"reason": "phishing"},
            *(order(accounts=wrong) for wrong in ("a", [], {}, None, 1, [1], ["a", None], [["a"]], [{"a": 1}])),
            *(order("a", reason=wrong) for wrong in ("", "PHISHING", "hameçonnage", None, 1, ["phishing"], {}, "\x00")),
            *(order("a", comment=wrong) for wrong in (None, 1, ["a"], "x" * 501, "a\nb", "a\x00b", "\ud800", "\u202e")),
            *(order(person.uid, **{extra: True}) for extra in ("is_staff", "release")),
        ):
            response = call(body)
            assert response.status_code == 422, body
            assert response.json()["error"]
        assert call([], headers={"accept-language": "fr"}).json()["error"].startswith("Envoyez un objet")
        assert not Lock.objects.exists()

    def test_hostile_names_are_unknown(self, person):
        """INP-01, INP-02"""
        for name in [*N, "", " ", "\ud800", "a" * 10_000, "%", "' OR 1=1 --"]:
            response = call(order(name, person.uid))
            assert answers(response)[0] == "unknown"
            assert response.json()["accounts"][0]["account"] == name
        assert reloaded(person).is_locked

    def test_too_long_a_list_or_body_is_refused(self, person):
        assert call(order(*["a"] * MOST_ACCOUNTS, person.uid)).status_code == 413
        for size in (LARGEST_BODY + 1, 3_000_000):
            assert call(b" " * size).status_code == 413
        assert not Lock.objects.exists()


def test_the_setting_takes_names_with_digests_and_quotes_nothing_else():
    """SUP-02"""
    listed = [f"siem:{digest(KEY)}", f" siem:{digest(NEXT_KEY)} "]
    assert checked_security_keys(listed) == [("siem", digest(KEY)), ("siem", digest(NEXT_KEY))]
    assert checked_security_keys([]) == []
    for wrong in (
        [KEY],
        [f"siem:{KEY}"],
        [f"SIEM:{digest(KEY)}"],
        [f":{digest(KEY)}"],
        [f"siem:{digest(KEY).upper()}"],
        [f"siem:{digest(KEY)}:x"],
        [digest(KEY)],
        [""],
        [f"siem:{digest(KEY)}", f"soar:{digest(KEY)}"],
    ):
        with pytest.raises(ImproperlyConfigured, match="SECURITY_API_KEYS") as refused:
            checked_security_keys(wrong)
        assert KEY not in str(refused.value)
