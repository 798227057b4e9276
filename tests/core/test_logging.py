"""What the log says, how, and what it never says (LOG-01, LOG-02)."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from config import error_views as errors
from core.logging import JsonFormatter, TextFormatter
from core.request_context import RequestContext, use_request_context
from core.security_log import log_security_event
from hr_feed.importer import import_feed
from journal.events import Event
from journal.services import record_event
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import N

TOKEN = "Ab3-" * 24 + "x"
WEB = RequestContext("web", "198.51.100.42", "Firefox (Linux)", "0123456789abcdef0123456789abcdef")
Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def written(formatter: logging.Formatter, level: int = logging.DEBUG) -> Iterator[io.StringIO]:
    """Everything that is logged inside, as a process in production writes it."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(stream), root.level
    handler.setFormatter(formatter)
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


@pytest.fixture
def log() -> Iterator[Lines]:
    """The lines so far, read as a machine reads them."""
    with written(JsonFormatter()) as stream:
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def raw() -> Iterator[io.StringIO]:
    with written(JsonFormatter()) as stream:
        yield stream


def events(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] != "log"]


class TestLines:
    def test_an_event_says_when_what_who_from_where_and_how_it_ended(self, log):
        """LOG-02: and the answer's reference, by which all lines of one request are found."""
        with use_request_context(WEB):
            log_security_event("authn_login_fail", outcome="failure", account=17, actor=None)
        [line] = log()
        assert line.pop("time").endswith("Z")
        assert line == {
            "level": "WARNING",
            "logger": "core.security_log",
            "event": "authn_login_fail",
            "request_id": WEB.request_id,
            "outcome": "failure",
            "source": "web",
            "client_address": "198.51.100.42",
            "account": 17,
            "actor": None,
        }

    def test_the_time_is_utc_whatever_the_machine_says(self, time_machine, log):
        """LOG-02"""
        time_machine.move_to("2026-07-01T23:59:59.5+02:00", tick=False)
        log_security_event("x", outcome="success")
        assert log()[0]["time"] == "2026-07-01T21:59:59.500Z"

    def test_nothing_can_forge_a_line(self, raw):
        """LOG-02, N06, N07, N37, N38 and all the others: one line, printable, and the text is what it was."""
        for nasty in N.values():
            logging.getLogger("x").warning("Not Found: %s", f"/{nasty}/")
            log_security_event("x", outcome="failure", reason=nasty)
        text = raw.getvalue()
        assert all(" " <= sign <= "~" for sign in text.replace("\n", ""))
        assert [json.loads(line)["event"] for line in text.splitlines()] == ["log", "x"] * len(N)

    def test_secrets_and_addresses_are_masked_wherever_they_stand(self, raw):
        """LOG-02, TOK-09: in a message, in a fact, in an exception, in what caused it."""
        try:
            try:
                raise OSError(f"no route to camille@exemple.net via {TOKEN}")
            except OSError as cause:
                raise ValueError(f"/activation/{TOKEN}/ of camille@exemple.net\nborn 1984-02-29") from cause
        except ValueError:
            logging.getLogger("x").exception("%s %s", TOKEN, "<Camille.Durand@univ-exemple.fr>")
        log_security_event("x", outcome="failure", reason=f"{TOKEN} camille@exemple.net")
        text = raw.getvalue()
        assert TOKEN not in text
        assert "camille" not in text.lower()
        assert "1984" not in text
        line = json.loads(text.splitlines()[0])
        assert line["exception"] == ["ValueError: /activation/…/ of …@…", "OSError: no route to …@… via …"]
        assert any("test_logging.py" in frame for frame in line["trace"])

    def test_names_of_machines_are_not_taken_for_addresses(self, log):
        logging.getLogger("x").info("celery@worker1 ready; redis://:**@redis:6379/0 is away")
        assert log()[0]["message"] == "celery@worker1 ready; redis://:**@redis:6379/0 is away"

    def test_a_traceback_inside_a_message_is_left_out(self, log):
        """LOG-02: Celery writes it there, with values."""
        try:
            raise ValueError("x")
        except ValueError:
            logging.getLogger("x").exception("Task a[1] raised unexpected: ValueError('x')\nTraceback: secret")
        assert log()[0]["message"] == "Task a[1] raised unexpected: ValueError('x')"

    def test_what_hangs_on_a_record_is_not_written_by_itself(self, raw):
        """LOG-02: Django hangs the whole request on its lines."""
        request = RequestFactory().post("/connexion/", {"password": "canary-password"})
        logging.getLogger("django.request").error("Failed", extra={"request": request, "status_code": 500})
        assert "status_code" not in raw.getvalue()
        assert "canary" not in raw.getvalue()

    def test_people_read_the_same_on_their_own_machine(self):
        """TOK-09: whole tracebacks, but no secret of a link there either."""
        with written(TextFormatter()) as stream:
            log_security_event("authn_login_success", outcome="success", account=17)
            logging.getLogger("x").warning("Not Found: %s", f"/activation/{TOKEN}/")
            try:
                raise ValueError(TOKEN)
            except ValueError:
                logging.getLogger("x").exception("failed")
        text = stream.getvalue()
        assert "INFO core.security_log authn_login_success outcome=success" in text
        assert "account=17" in text
        assert "Not Found: /activation/…/" in text
        assert "Traceback (most recent call last)" in text
        assert TOKEN not in text

    def test_libraries_that_name_tickets_are_never_asked_for_details(self, log):
        """LOG-02: LOG_LEVEL=DEBUG does not reach them."""
        for name in ["authlib.oauth2", "cas", "requests", "urllib3.connectionpool"]:
            logging.getLogger(name).debug("GET /serviceValidate?ticket=ST-1")
            logging.getLogger(name).info("the same")
            assert log() == []


@pytest.mark.django_db
class TestRowsOfTheDatabase:
    def test_an_error_of_the_database_does_not_tell_the_row(self, raw):
        """LOG-02: PostgreSQL quotes the whole row, with name and date of birth, or the key, an address."""
        person = pending_account(family_name="Canari", birth_date=date(1977, 7, 7), ine="1234567890A")
        for change in ({"institutional_address": "CANARI@univ-exemple.fr"}, {"uid": active_account().uid}):
            try:
                with transaction.atomic():
                    Account.objects.filter(pk=person.pk).update(**change)
            except IntegrityError as error:
                logging.getLogger("x").exception("Task x[1] raised unexpected: %r", error)
        text = raw.getvalue()
        assert text.count("IntegrityError") >= 2
        for canary in ("canari", "1977", "1234567890A", person.uid, person.recovery_address):
            assert canary.lower() not in text.lower()


@pytest.mark.django_db
class TestJournal:
    def test_each_entry_is_a_line_once_it_is_committed(self, log, django_capture_on_commit_callbacks):
        """LOG-01"""
        agent, person = active_account(is_staff=True), active_account()
        with use_request_context(WEB), django_capture_on_commit_callbacks(execute=True):
            lock_account(account=person, reason=LockReason.PHISHING, actor=agent)
            assert events(log()) == []
        [line] = [line for line in log() if line["event"] == Event.LOCKED]
        assert (line["account"], line["actor"], line["outcome"]) == (person.pk, agent.pk, "success")
        assert (line["client_address"], line["request_id"]) == (WEB.client_address, WEB.request_id)

    def test_what_is_rolled_back_has_no_line(self, log, django_capture_on_commit_callbacks):
        """LOG-01, LOG-03"""
        person = pending_account()
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            record_event(account=person, event=Event.LINK_REQUESTED)
            transaction.set_rollback(True)
        assert events(log()) == []
        assert not person.journal.exists()

    def test_details_stay_in_the_journal(self, raw, django_capture_on_commit_callbacks):
        """LOG-02: of no event, since they name addresses."""
        person = pending_account()
        with django_capture_on_commit_callbacks(execute=True):
            for event in Event:
                record_event(account=person, actor=person, event=event, address="canari@exemple.net", reason="canary")
        told = [line["event"] for line in events([json.loads(line) for line in raw.getvalue().splitlines()])]
        assert told == Event.values
        assert "canar" not in raw.getvalue()

    def test_an_import_is_one_line_for_each_kind_of_event(self, log, django_capture_on_commit_callbacks):
        """LOG-01, LOG-02: fifty thousand people make no fifty thousand lines; the journal has them one by one."""
        header = "hr_id;family_name;given_name;birth_date;category;employer;recovery_address;start_date\n"
        rows = "".join(f"C{n};Canari;Zoé;1977-07-07;staff;Univ;c{n}@exemple.net;2026-09-01\n" for n in range(3))
        with django_capture_on_commit_callbacks(execute=True):
            import_feed(io.BytesIO((header + rows).encode()))
        [line] = [line for line in log() if line["event"] == Event.USER_CREATED]
        assert (line["accounts"], line["source"]) == (3, "command")
        assert Account.objects.filter(hr_id__startswith="C").count() == 3


@pytest.mark.django_db(transaction=True)
def test_both_sign_ins_are_told_with_the_reference_that_the_answer_shows(log):
    """LOG-01, LOG-02: a failure as a warning."""
    person = active_account()
    page = reverse("login")
    failure = Client().post(page, {"login": person.login, "password": "canary-password-1"})
    success = Client().post(page, {"login": person.login, "password": A_GOOD_PASSWORD})
    lines = [line for line in log() if line["event"] in (Event.SIGN_IN_FAILED, Event.SIGNED_IN)]
    assert [(line["event"], line["level"], line["outcome"]) for line in lines] == [
        (Event.SIGN_IN_FAILED, "WARNING", "failure"),
        (Event.SIGNED_IN, "INFO", "success"),
    ]
    assert [line["request_id"] for line in lines] == [failure["X-Request-Id"], success["X-Request-Id"]]
    assert {line["account"] for line in lines} == {person.pk}
    assert "canary" not in str(log())


@pytest.mark.django_db
class TestWhatNoJournalHolds:
    def test_a_limit_that_is_reached(self, log, client):
        """LOG-01: with its name; whom it was about stays out."""
        for _ in range(31):
            client.get(reverse("activation-link", args=["A" * 97]))
        [line] = [line for line in log() if line["event"] == "excess_rate_limit_exceeded"]
        assert (line["limit"], line["outcome"], line["client_address"]) == ("bad-links", "failure", "127.0.0.1")

    def test_a_form_of_another_site(self, log):
        """LOG-01: by the name of its page; who was signed in, by number."""
        person, browser = active_account(), Client(enforce_csrf_checks=True)
        browser.force_login(person)
        browser.post(reverse("account-password"), {"password": "canary-password-1"})
        Client(enforce_csrf_checks=True).post(reverse("login"))
        lines = [line for line in log() if line["event"] == "malicious_csrf"]
        assert [(line["page"], line["account"]) for line in lines] == [("account-password", person.pk), ("login", None)]

    def test_somebody_who_may_not(self, log):
        """LOG-01"""
        person = active_account()
        request = RequestFactory().get("/interdit/")
        request.user = person
        assert errors.permission_denied(request, PermissionDenied()).status_code == 403
        [line] = events(log())
        assert (line["event"], line["account"], line["page"]) == ("authz_fail", person.pk, None)

    def test_a_request_that_no_page_of_ours_sends(self, log):
        """LOG-01: what was sent is not quoted."""
        answer = errors.bad_request(HttpRequest(), SuspiciousOperation("canary"))
        assert answer.status_code == 400
        [line] = events(log())
        assert (line["event"], line["reason"]) == ("input_validation_fail", "SuspiciousOperation")
        assert "canary" not in str(line)

    def test_a_session_that_waited_too_long(self, log, time_machine):
        """LOG-01"""
        time_machine.move_to("2026-09-07T10:00:00+02:00", tick=False)
        person, browser = active_account(), Client()
        browser.force_login(person)
        time_machine.shift(31 * 60)
        browser.get(reverse("account"))
        [line] = [line for line in log() if line["event"] == "session_expired"]
        assert line["account"] == person.pk
        assert SESSION_KEY not in browser.session
