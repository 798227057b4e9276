"""The API with which the university's security systems lock accounts, and nothing else (HLP-01)."""

import json
from datetime import timedelta
from hashlib import sha256

import pytest
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.locking import system_locks
from accounts.locking.api import LARGEST_BODY, MOST_ACCOUNTS
from accounts.models import Lock, Session
from agents.roles import Role
from journal.events import Event
from outbox.enums import Kind
from tests.accounts.recovery import recovering
from tests.accounts.recovery.recovering import recipients
from tests.agents.signed_in import an_agent
from tests.concurrency import attempted_together
from tests.factories import active_account, pending_account, reloaded
from tests.fuzz import N
from tests.headers import assert_headers
from tests.locking import REPORT, locked_account
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

ADDRESS = "/api/blocages/"
KEY, NEXT_KEY, OF_ANOTHER = "k" * 43, "n" * 64, "z" * 32


def digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


@pytest.fixture(autouse=True)
def keys(settings) -> None:
    settings.SECURITY_API_KEYS = [("siem", digest(KEY)), ("siem", digest(NEXT_KEY)), ("soar", digest(OF_ANOTHER))]


def call(body: object, header: str = f"Bearer {KEY}", **more: str) -> HttpResponse:
    """Send `body` as JSON, or as it is when it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    return client.post(ADDRESS, content, content_type="application/json", headers={"authorization": header}, **more)


def order(*names: str, **more: object) -> dict[str, object]:
    return {"accounts": list(names), "reason": "phishing", **more}


class TestCalls:
    def test_each_account_gets_its_answer_and_the_journal_names_the_system(self, person):
        """HLP-01, LOG-01, SES-07, INP-01, INP-02: idempotent; no session, no cookie."""
        other, before = pending_account(), locked_account()
        expected = [(person.login, "locked"), (other.uid.upper(), "locked"), (before.login, "already-locked")]
        hostile = [*N, "", " ", "\ud800", "a" * 10_000, "%", "' OR 1=1 --", "personne"]
        expected += [(name, "unknown") for name in hostile]
        response = call(order(*(name for name, _answer in expected), comment="Vague du 3 octobre"))
        assert response.status_code == 200
        assert response.json() == {"accounts": [{"account": name, "answer": answer} for name, answer in expected]}
        assert_headers(response)
        assert not response.cookies
        assert not Session.objects.exists()
        assert call(order(person.uid, reason="other")).json()["accounts"][0]["answer"] == "already-locked"
        kept = Lock.objects.get(account=person)
        assert (kept.reason, kept.locked_by_system, kept.comment) == ("phishing", "siem", "Vague du 3 octobre")
        entry = person.journal.get(event=Event.LOCKED)
        assert entry.details == {"reason": "phishing", "system": "siem"}
        assert (entry.source, entry.client_address, entry.actor) == ("web", "127.0.0.1", None)
        assert recipients(person=person, kind=Kind.ACCOUNT_LOCKED) == [person.recovery_address]

    def test_without_a_known_key_nothing_is_done(self, person, settings):
        wrong = ["", " ", "x", KEY[:-1], KEY + "k", KEY.upper(), digest(KEY), "é" * 40, "\x01" * 40]
        headers = [f"Bearer {key}" for key in wrong] + ["", f"Basic {KEY}", KEY, "Bearer", f"Bearer{KEY}"]
        for number, header in enumerate(headers):
            response = call(order(person.uid), header, REMOTE_ADDR=f"203.0.113.{number}")
            assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer"), header
        browser = browser_of(active_account(is_staff=True))
        for url in (ADDRESS, f"{ADDRESS}?key={KEY}"):
            assert browser.post(url, json.dumps(order(person.uid)), content_type="application/json").status_code == 401
        assert not Lock.objects.exists()
        assert call(order("personne"), f"bearer {NEXT_KEY}").status_code == 200
        assert Client().get(reverse("account"), headers={"authorization": f"Bearer {KEY}"}).status_code == 302
        settings.SECURITY_API_KEYS = [("siem", digest("k" * 31))]
        assert call(order(person.uid), f"Bearer {'k' * 31}").status_code == 401
        settings.SECURITY_API_KEYS = []
        assert call(order(person.uid)).status_code == 404

    def test_wrong_keys_and_calls_are_limited(self, person):
        """ENU-06: a client with wrong keys, and a system, without stopping the others."""
        tried = [call(order(person.uid), "Bearer x") for _ in range(11)]
        assert [one.status_code for one in tried] == [401] * 10 + [429]
        assert [call(order("personne")).status_code for _ in range(121)] == [200] * 120 + [429]
        assert call(order("personne"), f"Bearer {NEXT_KEY}").status_code == 429
        assert call(order(person.uid), f"Bearer {OF_ANOTHER}").status_code == 200

    def test_a_call_that_is_invalid_or_too_long_is_explained(self, person):
        """INP-01"""
        no_json = [b"", b"{", b"accounts=a&reason=phishing", b"\xff\xfe", b"\x00" * 50]
        no_json += [b"[" * 60_000, b"1" * 5_000, b"'{}'"]
        invalid = [[], "phishing", 1, None, True, {}, {"accounts": ["a"]}, {"reason": "phishing"}]
        invalid += [order(accounts=wrong) for wrong in ("a", [], {}, None, [1], ["a", None], [["a"]])]
        reasons = ("", "PHISHING", "hameçonnage", None, 1, ["phishing"], {}, "\x00")
        comments = (None, 1, ["a"], "x" * 501, "a\nb", "a\x00b", "\ud800", "\u202e")
        invalid += [order("a", reason=wrong) for wrong in reasons] + [order("a", comment=wrong) for wrong in comments]
        invalid += [order(person.uid, **{extra: True}) for extra in ("is_staff", "release")]
        too_long = [order(*["a"] * MOST_ACCOUNTS, person.uid), b" " * (LARGEST_BODY + 1), b" " * 3_000_000]
        for status, bodies in ((400, no_json), (422, invalid), (413, too_long)):
            for body in bodies:
                response = call(body)
                assert response.status_code == status, str(body)[:80]
                assert response.json()["error"]
        assert not Lock.objects.exists()


class TestStolenKey:
    """HLP-01, ENU-06"""

    @pytest.mark.django_db(transaction=True)
    def test_it_locks_no_agent_and_no_more_than_the_ceiling_within_an_hour(self, monkeypatch, time_machine):
        """ADM-05: the journal names the agent once an hour. Calls at once do not pass the ceiling together."""
        monkeypatch.setattr(system_locks, "CEILING", 4)
        time_machine.move_to(timezone.now(), tick=False)
        agent, people = an_agent(Role.LECTURE), [active_account() for _ in range(6)]
        for _ in range(2):
            body = call(order(agent.login, *(person.uid for person in people[:3]))).json()["accounts"]
            assert [one["answer"] for one in body if one["account"] == agent.login] == ["agent"]
        entry = agent.journal.get(event=Event.LOCK_REFUSED)
        assert (entry.details, reloaded(agent).is_locked) == ({"system": "siem"}, False)
        time_machine.shift(timedelta(minutes=20))
        refused = call(order(*(person.uid for person in people[3:5])))
        assert (refused.status_code, refused["Retry-After"]) == (429, str(40 * 60 + 1))
        assert "4 comptes par heure" in refused.json()["error"]
        assert call(order(people[3].uid)).status_code == call(order(people[0].uid)).status_code == 200
        assert call(order(people[4].uid), f"Bearer {OF_ANOTHER}").status_code == 200
        assert call(order(people[5].uid)).status_code == 429
        time_machine.shift(timedelta(minutes=40))
        assert call(order(people[5].uid, agent.uid)).status_code == 200
        assert (Lock.objects.count(), agent.journal.filter(event=Event.LOCK_REFUSED).count()) == (6, 2)
        time_machine.shift(system_locks.WINDOW)
        orders = [order(active_account().uid, active_account().uid) for _ in range(4)]
        answers = attempted_together(*(lambda one=one: call(one).status_code for one in orders))
        assert (sorted(answers), Lock.objects.count()) == ([200, 200, 429, 429], 6 + 4)

    def test_one_command_ends_its_locks_as_any_unlock_but_where_an_address_has_changed(self, person, capsys):
        """HLP-03, HLP-05, HLP-06: by a link to an address that nothing changed; a dry run before."""
        newcomer, without, changed = pending_account(), active_account(recovery_address=""), active_account()
        recovering.change_to(changed)
        kept = [active_account() for _ in range(3)]
        call(order(kept[0].uid))
        Lock.objects.update(locked_at=timezone.now() - timedelta(hours=2))
        call(order(kept[1].uid), f"Bearer {OF_ANOTHER}")
        recovering.lock(kept[2])
        call(order(*(one.uid for one in (person, newcomer, without, changed))))
        since = timezone.localtime(timezone.now() - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%S")
        for moment, report in ((since, "court"), ("hier", REPORT), ("2026-13-45T00:00", REPORT)):
            with pytest.raises(CommandError):
                call_command("end_locks_of_system", "siem", "--since", moment, "--report", report)
        for more, done in ((["--dry-run"], "Comptes à débloquer : 2"), ([], "Comptes débloqués : 2")):
            assert Lock.objects.open().count() == 7
            call_command("end_locks_of_system", "siem", "--since", since, "--report", REPORT, *more)
            printed = capsys.readouterr().out.replace("\N{NO-BREAK SPACE}", " ")
            left = (f"{without.login}\tsans adresse", f"{changed.login}\tadresse", "Laissés aux agents : 2")
            assert [words for words in (done, *left) if words not in printed] == []
        assert {lock.account for lock in Lock.objects.open()} == {*kept, without, changed}
        lock = Lock.objects.get(account=person)
        assert (lock.released_reason, lock.proof, lock.report, lock.released_by) == ("by-mistake", "", REPORT, None)
        assert recipients(kind=Kind.REACTIVATION) == [person.recovery_address]
        assert recipients(kind=Kind.NEW_LINK) == [newcomer.recovery_address]
        assert person.journal.get(event=Event.RELEASED).details == {"reason": "by-mistake", "system": "siem"}
